"""From an ADQL query to one SQLite statement, with the description of every column it gives.

Names are resolved by sqlglot's optimizer against the tables of the service. Where a result column is a plain column of
a table it keeps that column's unit, UCD and description; the type of an expression is inferred.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope
from sqlglot.schema import MappingSchema

from .adql import Adql, parse
from .columns import Known, distinct_names, infer
from .functions import FUNCTIONS
from .model import Column, QueryError, Table

__all__ = ["Statement", "translate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A query in SQLite's words.

    Parameters
    ----------
    sql
        Refers to tables by their full names in lower case, in one quoted identifier.
    columns
        What it gives, in order; the names are distinct.
    tables
        The full names in lower case of all tables that it reads.
    """

    sql: str
    columns: tuple[Column, ...]
    tables: frozenset[str]


_Sources = dict[str, dict[str, Column]]


def translate(query: str, tables: Mapping[str, Table]) -> Statement:
    """Translate an ADQL query.

    Parameters
    ----------
    query
        What the user wrote.
    tables
        All tables that there are, by their full names in lower case.

    Returns
    -------
    Statement
        Ready to run.

    Raises
    ------
    QueryError
        If the query is not ADQL, or names something that is not there.
    """
    tree = parse(query)
    _lower(tree)
    _bind(tree, tables)
    _name_subqueries(tree)
    used = _used(_scope(tree), tables)
    tree = _qualified(tree, tables)
    scope = _scope(tree)
    columns = distinct_names(_columns(scope, tables))
    for node in list(tree.walk(bfs=False)):
        _to_sqlite(node)
    sql = _without_parentheses(tree).sql(dialect="sqlite", identify=True, comments=False)
    return Statement(sql=sql, columns=columns, tables=used)


def _lower(tree: exp.Query) -> None:
    """Make all names lower case, as SQLite compares them; remember how the user wrote them."""
    for identifier in tree.find_all(exp.Identifier):
        identifier.meta["written"] = identifier.this
        identifier.set("this", str(identifier.this).lower())


def _bind(tree: exp.Query, tables: Mapping[str, Table]) -> None:
    """Put each table's full name into one identifier, and take the schema away from column names."""
    for node in tree.find_all(exp.Table):
        if not isinstance(node.this, exp.Identifier):
            raise QueryError(f"a table function is not supported in ADQL: {node.this.sql()}")
        name = f"{node.db}.{node.name}" if node.db else node.name
        if node.db and name not in tables:
            raise QueryError(f"there is no table {_written(node)}")
        if name in tables:
            alias = node.args.get("alias") or exp.TableAlias(this=exp.to_identifier(node.name, quoted=True))
            node.set("db", None)
            node.set("this", exp.to_identifier(name, quoted=True))
            node.set("alias", alias)
    for column in tree.find_all(exp.Column):
        column.set("db", None)


def _name_subqueries(tree: exp.Query) -> None:
    """Make a scalar subquery a column like any other: sqlglot looks for its alias in another place."""
    for select in list(tree.find_all(exp.Select)):
        for item in list(select.expressions):
            if isinstance(item, exp.Subquery):
                given = item.args.get("alias")
                name = given.this if given else exp.to_identifier(f"subquery {item.index}", quoted=True)
                item.set("alias", None)
                item.replace(exp.Alias(this=item.copy(), alias=name))


def _scope(tree: exp.Query) -> Scope:
    scope = build_scope(tree)
    if scope is None:
        raise QueryError("this is not a query")
    return scope


def _written(node: exp.Table | exp.Column) -> str:
    return ".".join(str(part.meta.get("written", part.name)) for part in node.parts)


def _qualified(tree: exp.Query, tables: Mapping[str, Table]) -> exp.Query:
    """Give every column its table and write out every star."""
    known: dict[str, object] = {
        name: {column.name.lower(): "UNKNOWN" for column in table.columns} or {"": "UNKNOWN"}
        for name, table in tables.items()
    }
    schema = MappingSchema(known, dialect=Adql, normalize=False)
    try:
        resolved = qualify(tree, schema=schema, dialect=Adql, quote_identifiers=False)
        if not any(item.is_star for select in resolved.find_all(exp.Select) for item in select.expressions):
            return resolved
    except SqlglotError as error:
        raise QueryError(_unresolved(str(error))) from None
    except AssertionError:
        pass  # sqlglot leaves a * as it is where it cannot tell columns apart, and then stumbles over it
    except RecursionError:
        raise QueryError("the query is nested too deeply") from None
    raise QueryError("a * stands for several columns of the same name: name them apart in the subquery")


def _unresolved(text: str) -> str:
    """Say in our words which name sqlglot could not resolve."""
    found = re.search(r"[Cc]olumn:? ['\"]*([^'\"]+?)['\"]*(?: could not be resolved(?: for table: '([^']+)')?|$)", text)
    if found is None:
        return re.sub(r"[.\s]*Line: .*", "", text, flags=re.DOTALL) or "a name cannot be resolved"
    column, table = found.groups()
    if table or "could not" not in text:
        return f"there is no column {table}.{column}" if table else f"there is no column {column}"
    return f"there is no column {column}, or more than one table here has it"


def _used(scope: Scope, tables: Mapping[str, Table]) -> frozenset[str]:
    """Return the tables that are read; refuse names that are neither tables nor common table expressions."""
    used = set()
    for part in scope.traverse():
        for source in part.sources.values():
            if isinstance(source, exp.Table):
                if source.name not in tables:
                    raise QueryError(f"there is no table {_written(source)}")
                used.add(source.name)
    return frozenset(used)


def _columns(scope: Scope, tables: Mapping[str, Table], around: _Sources | None = None) -> list[Column]:
    """Describe what a query, or a part of it, gives."""
    tree = scope.expression
    if not isinstance(tree, exp.Select):
        parts = scope.set_operation_scopes or scope.subquery_scopes
        return _columns(parts[0], tables, around) if parts else []
    sources: _Sources = dict(around or {})
    for alias, source in scope.sources.items():
        given = tables[source.name].columns if isinstance(source, exp.Table) else _columns(source, tables, around)
        sources[alias] = {column.name.lower(): column for column in given}
    inner = [(part.expression, _columns(part, tables, sources)) for part in scope.subquery_scopes]
    subqueries = {id(node): columns[0] for node, columns in inner if columns}
    known = Known(sources, subqueries)
    found = []
    for number, item in enumerate(tree.selects, start=1):
        described = infer(item.unalias(), known)
        found.append(replace(described, name=_name(item, described, number)))
    return found


def _name(item: exp.Expr, described: Column, number: int) -> str:
    """Name a result column: the alias as written, else the column's own name, else what it is."""
    alias = item.args.get("alias")
    if isinstance(alias, exp.Identifier) and "written" in alias.meta:
        return str(alias.meta["written"])
    inner = item.unalias()
    if isinstance(inner, exp.Column | exp.Coalesce):
        return described.name or item.alias_or_name
    if isinstance(inner, exp.Count) and isinstance(inner.this, exp.Star):
        return "COUNT_ALL"
    if isinstance(inner, exp.Func):
        return (str(inner.this) if isinstance(inner, exp.Anonymous) else inner.sql_name()).upper()
    return f"expr_{number}"


def _to_sqlite(node: exp.Expr) -> None:
    """Say one node in SQLite's words, in place."""
    if isinstance(node, exp.Anonymous):
        node.set("this", FUNCTIONS[str(node.this).upper()].sql_name)
    elif isinstance(node, exp.DataType):
        whole = node.this in {exp.DType.INT, exp.DType.SMALLINT, exp.DType.BIGINT}
        real = node.this in {exp.DType.FLOAT, exp.DType.DOUBLE}
        node.set("this", exp.DType.INT if whole else exp.DType.DOUBLE if real else exp.DType.TEXT)
        node.set("expressions", None)


def _without_parentheses(tree: exp.Query) -> exp.Query:
    """Take away parentheses where SQLite does not know them: around the query, around an operand of UNION."""
    while isinstance(tree, exp.Subquery):
        tree = tree.this
    for node in reversed(list(tree.find_all(exp.Subquery))):  # the innermost first
        if isinstance(node.parent, exp.SetOperation) and node.arg_key in {"this", "expression"}:
            part = exp.Subquery(this=node.this.copy(), alias=exp.TableAlias(this=exp.to_identifier("part")))
            node.replace(exp.select("*").from_(part, copy=False))
    return tree
