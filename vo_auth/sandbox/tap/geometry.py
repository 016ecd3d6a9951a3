"""Points, circles and polygons on the sphere, for the geometrical functions of ADQL 2.1 (section 4.2).

A shape travels through SQLite as text in the form that ObsCore's ``s_region`` has (STC-S): ``CIRCLE ICRS 10 -20 0.5``.
Polygons have great circles for edges and fit into a hemisphere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from .model import QueryError

__all__ = ["Circle", "Point", "Polygon", "Shape", "area", "centroid", "contains", "distance", "intersects", "shape"]

Vector = tuple[float, float, float]

_TOLERANCE = 1e-12
_FRAMES = frozenset({"ICRS", "FK5", "J2000", "UNKNOWNFRAME"})
_WORDS = frozenset({"GEOCENTER", "BARYCENTER", "HELIOCENTER", "TOPOCENTER", "UNKNOWNREFPOS", "SPHERICAL2", "UNION"})


@dataclass(frozen=True, slots=True)
class Point:
    """A position in degrees."""

    longitude: float
    latitude: float

    @property
    def vector(self) -> Vector:
        """The unit vector."""
        longitude, latitude = math.radians(self.longitude), math.radians(self.latitude)
        return (
            math.cos(latitude) * math.cos(longitude),
            math.cos(latitude) * math.sin(longitude),
            math.sin(latitude),
        )

    def __str__(self) -> str:
        return f"POINT ICRS {self.longitude!r} {self.latitude!r}"


@dataclass(frozen=True, slots=True)
class Circle:
    """All positions within a radius in degrees."""

    center: Point
    radius: float

    def __str__(self) -> str:
        return f"CIRCLE ICRS {self.center.longitude!r} {self.center.latitude!r} {self.radius!r}"


@dataclass(frozen=True, slots=True)
class Polygon:
    """The inside of at least three corners."""

    corners: tuple[Point, ...]

    def edges(self) -> Iterator[tuple[Vector, Vector]]:
        """Walk along the great circles from corner to corner, back to the first."""
        vectors = [corner.vector for corner in self.corners]
        return zip(vectors, vectors[1:] + vectors[:1], strict=True)

    def __str__(self) -> str:
        numbers = (f"{corner.longitude!r} {corner.latitude!r}" for corner in self.corners)
        return f"POLYGON ICRS {' '.join(numbers)}"


Shape = Point | Circle | Polygon


@lru_cache(maxsize=4096)
def shape(text: str) -> Shape:
    """Read a shape from its text.

    Parameters
    ----------
    text
        STC-S as archives write it: a word for the shape, at most a frame, numbers in degrees.

    Returns
    -------
    Shape
        The shape.

    Raises
    ------
    QueryError
        If the text is not a shape that can be worked with.
    """
    words = re.sub(r"[(),]", " ", text).split()
    kind = words[0].upper() if words else ""
    rest = words[1:]
    while rest and rest[0].upper() in _FRAMES | _WORDS:
        rest = rest[1:]
    try:
        return build(kind, [float(word) for word in rest])
    except ValueError:
        raise QueryError(f"{text[:60]!r} is not a region that can be worked with") from None


def build(kind: str, numbers: Sequence[float]) -> Shape:
    """Make a shape of its kind and its numbers in degrees.

    Parameters
    ----------
    kind
        ``POINT`` (or ``POSITION``), ``CIRCLE``, ``BOX`` or ``POLYGON``.
    numbers
        As the ADQL constructor of that name takes them.

    Returns
    -------
    Shape
        A box becomes a polygon.

    Raises
    ------
    ValueError
        If kind and numbers do not fit together.
    """
    if not all(math.isfinite(number) for number in numbers):
        raise ValueError("a coordinate is not a number")
    points = [Point(*pair) for pair in zip(numbers[::2], numbers[1::2], strict=False)]
    match kind, len(numbers):
        case (("POINT" | "POSITION"), 2):
            return points[0]
        case "CIRCLE", 3:
            return Circle(points[0], numbers[2])
        case "BOX", 4:
            return _box(*numbers)
        case "POLYGON", count if count >= 6 and count % 2 == 0:
            return Polygon(tuple(points[:-1] if len(points) > 3 and points[0] == points[-1] else points))
    raise ValueError(f"{kind} does not take {len(numbers)} numbers")


def _box(longitude: float, latitude: float, width: float, height: float) -> Polygon:
    left, right = longitude - width / 2, longitude + width / 2
    low, high = max(latitude - height / 2, -90.0), min(latitude + height / 2, 90.0)
    return Polygon((Point(left, low), Point(right, low), Point(right, high), Point(left, high)))


def _cross(a: Vector, b: Vector) -> Vector:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def _dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _unit(a: Vector) -> Vector:
    length = math.hypot(*a)
    return (a[0] / length, a[1] / length, a[2] / length)


def _angle(a: Vector, b: Vector) -> float:
    return math.degrees(math.atan2(math.hypot(*_cross(a, b)), _dot(a, b)))


def distance(one: Point, other: Point) -> float:
    """Return the angle between two positions in degrees."""
    return _angle(one.vector, other.vector)


def _inside(vector: Vector, polygon: Polygon) -> bool:
    """Count how often the polygon winds around a position."""
    if any(_on_edge(vector, *edge) for edge in polygon.edges()):
        return True
    if sum(_dot(vector, corner.vector) for corner in polygon.corners) <= 0:
        return False  # on the other side of the sphere, where the same angles come out
    turn = 0.0
    for a, b in polygon.edges():
        turn += math.atan2(_dot(vector, _cross(a, b)), _dot(a, b) - _dot(a, vector) * _dot(b, vector))
    return abs(turn) > math.pi


def _on_edge(vector: Vector, a: Vector, b: Vector) -> bool:
    return _to_edge(vector, a, b) < math.degrees(_TOLERANCE)


def _to_edge(vector: Vector, a: Vector, b: Vector) -> float:
    """Return the angle from a position to the nearest point of an edge."""
    normal = _cross(a, b)
    length = math.hypot(*normal)
    if length > _TOLERANCE and _dot(_cross(normal, a), vector) >= 0 and _dot(_cross(b, normal), vector) >= 0:
        return abs(math.degrees(math.asin(max(-1.0, min(1.0, _dot(normal, vector) / length)))))
    return min(_angle(vector, a), _angle(vector, b))


def _edges_cross(one: tuple[Vector, Vector], other: tuple[Vector, Vector]) -> bool:
    first, second = _cross(*one), _cross(*other)
    meeting = _cross(first, second)
    if math.hypot(*meeting) < _TOLERANCE:
        return False
    for candidate in (meeting, (-meeting[0], -meeting[1], -meeting[2])):
        if _between(candidate, one, first) and _between(candidate, other, second):
            return True
    return False


def _between(vector: Vector, edge: tuple[Vector, Vector], normal: Vector) -> bool:
    return _dot(_cross(edge[0], vector), normal) > 0 and _dot(_cross(vector, edge[1]), normal) > 0


def _borders_cross(one: Polygon, other: Polygon) -> bool:
    return any(_edges_cross(first, second) for first in one.edges() for second in other.edges())


def contains(outer: Shape, inner: Shape) -> bool:  # noqa: PLR0911  # one line for each pair of shapes
    """Say whether a shape lies wholly inside another.

    Parameters
    ----------
    outer
        The shape around.
    inner
        The shape inside.

    Returns
    -------
    bool
        True on the border, too.
    """
    match outer, inner:
        case Point(), Point():
            return distance(outer, inner) <= _TOLERANCE
        case Circle(), Point():
            return distance(outer.center, inner) <= outer.radius
        case Circle(), Circle():
            return distance(outer.center, inner.center) + inner.radius <= outer.radius
        case Circle(), Polygon():
            return all(distance(outer.center, corner) <= outer.radius for corner in inner.corners)
        case Polygon(), Point():
            return _inside(inner.vector, outer)
        case Polygon(), Circle():
            center = inner.center.vector
            return _inside(center, outer) and all(_to_edge(center, *edge) >= inner.radius for edge in outer.edges())
        case Polygon(), Polygon():
            return all(_inside(corner.vector, outer) for corner in inner.corners) and not _borders_cross(outer, inner)
    return False


def intersects(one: Shape, other: Shape) -> bool:  # noqa: PLR0911  # one line for each pair of shapes
    """Say whether two shapes have a position in common.

    Parameters
    ----------
    one, other
        In any order.

    Returns
    -------
    bool
        True when they touch, too.
    """
    match one, other:
        case (Point(), _):
            return contains(other, one)
        case (_, Point()):
            return contains(one, other)
        case Circle(), Circle():
            return distance(one.center, other.center) <= one.radius + other.radius
        case Polygon(), Circle():
            return intersects(other, one)
        case Circle(), Polygon():
            center = one.center.vector
            return _inside(center, other) or any(_to_edge(center, *edge) <= one.radius for edge in other.edges())
        case Polygon(), Polygon():
            return (
                _inside(one.corners[0].vector, other)
                or _inside(other.corners[0].vector, one)
                or _borders_cross(one, other)
            )
    return False


def _triangles(polygon: Polygon) -> Iterator[tuple[float, Vector]]:
    """Cut a polygon into triangles from its first corner: signed area in steradians, and middle."""
    a, *others = (corner.vector for corner in polygon.corners)
    for b, c in pairwise(others):
        # Van Oosterom and Strackee, IEEE Trans. Biomed. Eng. 30 (1983), 125
        size = 2 * math.atan2(_dot(a, _cross(b, c)), 1 + _dot(a, b) + _dot(b, c) + _dot(c, a))
        yield size, (a[0] + b[0] + c[0], a[1] + b[1] + c[1], a[2] + b[2] + c[2])


def area(given: Shape) -> float:
    """Return the area of a shape in square degrees."""
    match given:
        case Circle():
            size = 2 * math.pi * (1 - math.cos(math.radians(given.radius)))
        case Polygon():
            size = abs(sum(triangle for triangle, _ in _triangles(given)))
        case _:
            size = 0.0
    return size * math.degrees(1) ** 2


def centroid(given: Shape) -> Point:
    """Return the middle of a shape."""
    match given:
        case Point():
            return given
        case Circle():
            return given.center
    parts = [(size, _unit(middle)) for size, middle in _triangles(given)]
    x, y, z = (sum(size * middle[axis] for size, middle in parts) for axis in range(3))
    if sum(size for size, _ in parts) < 0:
        x, y, z = -x, -y, -z
    return Point(math.degrees(math.atan2(y, x)) % 360.0, math.degrees(math.atan2(z, math.hypot(x, y))))
