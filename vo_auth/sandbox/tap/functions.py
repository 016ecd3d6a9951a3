"""The functions that a query may use: ADQL 2.1's mathematical, text and geometrical ones, as SQLite functions."""

from __future__ import annotations

import math
import random
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import geometry
from .geometry import Point, Shape
from .model import QueryError

__all__ = ["FUNCTIONS", "Function", "install"]

_FRAMES = frozenset({"", "ICRS", "FK5", "J2000", "UNKNOWNFRAME"})


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the query language.

    Parameters
    ----------
    name
        In capitals.
    call
        Never sees NULL: a NULL argument makes a NULL result.
    fewest, most
        How many arguments it takes.
    datatype
        The VOTable datatype of its result; an empty string: that of its first argument.
    xtype
        The xtype of its result.
    """

    name: str
    call: Callable[..., Any]
    fewest: int
    most: int
    datatype: str = "double"
    xtype: str = ""

    @property
    def sql_name(self) -> str:
        """The name in SQLite, which no function of SQLite's own has."""
        return f"adql_{self.name.lower()}"


def _truncate(value: float, places: int = 0) -> float:
    factor = 10.0 ** int(places)
    return math.trunc(value * factor) / factor


def _round(value: float, places: int = 0) -> float:
    """Round half away from zero, as databases do."""
    factor = 10.0 ** int(places)
    return math.copysign(math.floor(abs(value) * factor + 0.5) / factor, value)


def _mod(value: float, divisor: float) -> float:
    if isinstance(value, int) and isinstance(divisor, int):
        return int(math.fmod(value, divisor))
    return math.fmod(value, divisor)


def _cot(value: float) -> float:
    return 1.0 / math.tan(value)


def _random(seed: int | None = None) -> float:
    generator = random if seed is None else random.Random(seed)  # noqa: S311  # RAND is no secret
    return generator.random()


def _shape(value: Any) -> Shape:
    if not isinstance(value, str):
        raise QueryError(f"{str(value)[:60]!r} is not a point or a region")
    return geometry.shape(value)


def _point(value: Any) -> Point:
    found = _shape(value)
    if not isinstance(found, Point):
        raise QueryError(f"{str(value)[:60]!r} is not a point")
    return found


def _constructor(kind: str) -> Callable[..., str]:
    """Make POINT, CIRCLE, BOX or POLYGON: with a coordinate system or without, of numbers or of points."""

    def make(*arguments: Any) -> str:
        given = list(arguments)
        if isinstance(given[0], str) and not given[0].startswith("POINT "):
            frame = given.pop(0).upper().split()
            if frame and frame[0] not in _FRAMES:
                raise QueryError(f"{kind}: the coordinate system {frame[0]} is not supported, only ICRS")
        numbers: list[float] = []
        for value in given:
            if isinstance(value, str):
                point = _point(value)
                numbers += [point.longitude, point.latitude]
            else:
                numbers.append(float(value))
        try:
            return str(geometry.build(kind, numbers))
        except ValueError:
            raise QueryError(f"{kind} does not take these {len(arguments)} arguments") from None

    return make


def _distance(*arguments: Any) -> float:
    if len(arguments) == 2:
        return geometry.distance(_point(arguments[0]), _point(arguments[1]))
    if len(arguments) == 4:
        return geometry.distance(Point(*arguments[:2]), Point(*arguments[2:]))
    raise QueryError("DISTANCE takes two points, or four coordinates")


def _contains(inner: Any, outer: Any) -> int:
    return int(geometry.contains(_shape(outer), _shape(inner)))


def _intersects(one: Any, other: Any) -> int:
    return int(geometry.intersects(_shape(one), _shape(other)))


def _region(text: Any) -> str:
    return str(_shape(text))


def _center(value: Any) -> str:
    return str(geometry.centroid(_shape(value)))


def _table() -> tuple[Function, ...]:
    one_number = (
        (math.acos, "ACOS"), (math.asin, "ASIN"), (math.atan, "ATAN"), (math.cos, "COS"), (_cot, "COT"),
        (math.degrees, "DEGREES"), (math.exp, "EXP"), (math.log, "LOG"), (math.log10, "LOG10"),
        (math.radians, "RADIANS"), (math.sin, "SIN"), (math.sqrt, "SQRT"), (math.tan, "TAN"),
    )  # fmt: skip
    return (
        *(Function(name, call, 1, 1) for call, name in one_number),
        Function("ABS", abs, 1, 1, ""),
        Function("ATAN2", math.atan2, 2, 2),
        Function("CEILING", lambda value: float(math.ceil(value)), 1, 1),
        Function("FLOOR", lambda value: float(math.floor(value)), 1, 1),
        Function("MOD", _mod, 2, 2, ""),
        Function("PI", lambda: math.pi, 0, 0),
        Function("POWER", math.pow, 2, 2),
        Function("RAND", _random, 0, 1),
        Function("ROUND", _round, 1, 2),
        Function("TRUNCATE", _truncate, 1, 2),
        Function("LOWER", lambda text: str(text).lower(), 1, 1, "char"),
        Function("UPPER", lambda text: str(text).upper(), 1, 1, "char"),
        Function("POINT", _constructor("POINT"), 2, 3, "char", "adql:POINT"),
        Function("CIRCLE", _constructor("CIRCLE"), 2, 4, "char", "adql:REGION"),
        Function("BOX", _constructor("BOX"), 3, 5, "char", "adql:REGION"),
        Function("POLYGON", _constructor("POLYGON"), 3, 1000, "char", "adql:REGION"),
        Function("REGION", _region, 1, 1, "char", "adql:REGION"),
        Function("CENTROID", _center, 1, 1, "char", "adql:POINT"),
        Function("COORD1", lambda value: _point(value).longitude, 1, 1),
        Function("COORD2", lambda value: _point(value).latitude, 1, 1),
        Function("COORDSYS", lambda value: _shape(value) and "ICRS", 1, 1, "char"),
        Function("AREA", lambda value: geometry.area(_shape(value)), 1, 1),
        Function("DISTANCE", _distance, 2, 4),
        Function("CONTAINS", _contains, 2, 2, "int"),
        Function("INTERSECTS", _intersects, 2, 2, "int"),
    )


#: What a query may call besides aggregates, COALESCE and CAST.
FUNCTIONS = {function.name: function for function in _table()}


def install(connection: sqlite3.Connection, failures: list[str]) -> None:
    """Make the functions known to a connection.

    Parameters
    ----------
    connection
        A connection that is used for one query.
    failures
        Takes the text of a function's own error, which SQLite does not pass on.
    """
    for function in FUNCTIONS.values():
        constant = function.name != "RAND"
        connection.create_function(function.sql_name, -1, _guarded(function, failures), deterministic=constant)


def _guarded(function: Function, failures: list[str]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        if None in arguments:
            return None
        try:
            return function.call(*arguments)
        except QueryError as error:
            failures.append(str(error))
            raise
        except (ArithmeticError, ValueError, TypeError):
            shown = ", ".join(repr(argument) for argument in arguments)[:80]
            failures.append(f"{function.name}({shown}) has no value")
            raise

    return call
