"""What an expression gives: the VOTable type of every node that a query may have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from .functions import FUNCTIONS
from .model import Column

__all__ = ["Known", "distinct_names", "infer"]

_TEXT = Column(name="", datatype="char", arraysize="*")
_RANK = ("short", "int", "long", "float", "double")
_CAST = {
    exp.DType.SMALLINT: "short",
    exp.DType.INT: "int",
    exp.DType.BIGINT: "long",
    exp.DType.FLOAT: "float",
    exp.DType.DOUBLE: "double",
}
_PREDICATES = (exp.Predicate, exp.Not, exp.And, exp.Or, exp.Boolean)


@dataclass(frozen=True, slots=True)
class Known:
    """What the names in an expression stand for.

    Parameters
    ----------
    columns
        Columns by table alias and name, both in lower case.
    subqueries
        The first column of a subquery, by the ``id`` of its node.
    """

    columns: Mapping[str, Mapping[str, Column]]
    subqueries: Mapping[int, Column]


def infer(node: exp.Expr, known: Known) -> Column:  # noqa: PLR0911  # one line for each kind of node
    """Describe the values of an expression.

    Parameters
    ----------
    node
        An expression whose columns name their tables.
    known
        The tables and subqueries around it.

    Returns
    -------
    Column
        The source column itself where there is one; else a nameless column of the right type.
    """
    if isinstance(node, exp.Column):
        return known.columns.get(node.table, {}).get(node.name, _TEXT)
    if isinstance(node, exp.Literal):
        return _literal(node)
    if isinstance(node, exp.Cast):
        return _of(_CAST.get(node.to.this, "char"))
    if isinstance(node, exp.Func | exp.Subquery | exp.Case | exp.Paren | exp.Neg | exp.Distinct):
        return _inner(node, known)
    if isinstance(node, _PREDICATES):
        return _of("int")
    if isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Div):
        return _widest(infer(node.this, known), infer(node.expression, known))
    return _TEXT


def _inner(node: exp.Expr, known: Known) -> Column:  # noqa: PLR0911  # one line for each kind of node
    """Describe a node whose values are, or come from, those of a part of it."""
    match node:
        case exp.Count():
            return _of("long")
        case exp.Avg():
            return replace(_of("double"), unit=infer(node.this, known).unit)
        case exp.Sum():
            given = infer(node.this, known)
            return replace(_of("double" if given.datatype in {"float", "double"} else "long"), unit=given.unit)
        case exp.Distinct():
            return infer(node.expressions[0], known)
        case exp.Min() | exp.Max() | exp.Paren() | exp.Neg():
            return replace(infer(node.this, known), name="", description="", utype="", indexed=False)
        case exp.Coalesce():
            return infer(node.this, known)
        case exp.Case():
            results = [branch.args["true"] for branch in node.args["ifs"]]
            return infer(next((one for one in results if not isinstance(one, exp.Null)), results[0]), known)
        case exp.Subquery():
            return replace(known.subqueries.get(id(node.this), _TEXT), name="")
        case exp.Anonymous():
            return _call(node, known)
        case exp.Predicate():
            return _of("int")
    return _TEXT


def _call(node: exp.Anonymous, known: Known) -> Column:
    function = FUNCTIONS[str(node.this).upper()]
    if function.datatype:
        return replace(_of(function.datatype), xtype=function.xtype)
    given = infer(node.expressions[0], known)
    return replace(_of(given.datatype), unit=given.unit)


def _literal(node: exp.Literal) -> Column:
    if node.is_string:
        return _TEXT
    return _of("long" if str(node.this).isdigit() else "double")


def _of(datatype: str) -> Column:
    return Column(name="", datatype=datatype, arraysize="*" if datatype == "char" else None)


def _widest(one: Column, other: Column) -> Column:
    ranks = [_RANK.index(column.datatype) if column.datatype in _RANK else len(_RANK) - 1 for column in (one, other)]
    return _of(_RANK[max(*ranks, _RANK.index("int"))])


def distinct_names(columns: Iterable[Column]) -> tuple[Column, ...]:
    """Give a number to every column whose name comes again, in any case.

    Parameters
    ----------
    columns
        In order.

    Returns
    -------
    tuple[Column, ...]
        ``ra``, ``ra_2``, …
    """
    found: dict[str, Column] = {}
    for column in columns:
        name, number = column.name, 1
        while name.lower() in found:
            number += 1
            name = f"{column.name}_{number}"
        found[name.lower()] = replace(column, name=name)
    return tuple(found.values())
