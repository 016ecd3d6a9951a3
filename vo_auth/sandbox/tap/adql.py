"""ADQL as a dialect of sqlglot, and the gate that lets nothing but queries pass.

The grammar is sqlglot's; this module takes words away from it and lists what may be in the tree. What is not on the
list is refused by name.
"""

# ruff: noqa: RUF012  # a dialect of sqlglot is configured through class attributes
from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp, parser, tokens
from sqlglot.dialects.dialect import Dialect, NormalizationStrategy
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokens import Token, TokenType  # type: ignore[attr-defined]  # not in its __all__

from ..votable import clean
from .functions import FUNCTIONS
from .model import QueryError

__all__ = ["Adql", "fragment", "parse"]

_LONGEST_QUERY = 100_000

_KEYWORDS = (
    *("||", ">=", "<=", "<>", "!=", "SELECT", "DISTINCT", "FROM", "WHERE", "GROUP BY", "HAVING", "ORDER BY", "ASC"),
    *("DESC", "OFFSET", "LIMIT", "INTO", "AS", "WITH", "RECURSIVE", "UNION", "EXCEPT", "INTERSECT", "ALL", "ANY"),
    *("SOME", "NATURAL", "INNER", "LEFT", "RIGHT", "FULL", "OUTER", "CROSS", "JOIN", "ON", "USING", "AND", "OR"),
    *("NOT", "BETWEEN", "IN", "LIKE", "ILIKE", "ESCAPE", "IS", "NULL", "EXISTS", "CASE", "WHEN", "THEN", "ELSE"),
    *("END", "TRUE", "FALSE", "INT", "INTEGER", "SMALLINT", "BIGINT", "REAL", "FLOAT", "DOUBLE", "DOUBLE PRECISION"),
    *("CHAR", "VARCHAR", "TIMESTAMP"),
)

_AGGREGATES = ("COUNT", "SUM", "AVG", "MIN", "MAX")


class Adql(Dialect):
    """ADQL 2.1, and what T-SQL users add to it."""

    NORMALIZATION_STRATEGY = NormalizationStrategy.CASE_INSENSITIVE
    ASCII_ONLY_NORMALIZATION = True
    NULL_ORDERING = "nulls_are_small"
    TYPED_DIVISION = True
    SAFE_DIVISION = True

    class Tokenizer(tokens.Tokenizer):
        """Few keywords, so that columns may be called ``format`` or ``date``."""

        IDENTIFIERS = ['"']
        QUOTES = ["'"]
        COMMENTS = ["--", ("/*", "*/")]
        KEYWORDS = {word: tokens.Tokenizer.KEYWORDS[word] for word in _KEYWORDS} | {"TOP": TokenType.TOP}

    class Parser(parser.Parser):
        """Functions stay as they are written, to be looked up in our own list."""

        FUNCTIONS = {name: parser.Parser.FUNCTIONS[name] for name in (*_AGGREGATES, "COALESCE")}
        FUNCTION_PARSERS = {"CAST": parser.Parser.FUNCTION_PARSERS["CAST"]}
        NO_PAREN_FUNCTIONS = {}
        NO_PAREN_FUNCTION_PARSERS = {"CASE": parser.Parser.NO_PAREN_FUNCTION_PARSERS["CASE"]}
        QUERY_MODIFIER_PARSERS = {
            token: parser.Parser.QUERY_MODIFIER_PARSERS[token]
            for token in (TokenType.WHERE, TokenType.GROUP_BY, TokenType.HAVING, TokenType.ORDER_BY, TokenType.OFFSET)
        }
        QUERY_MODIFIER_TOKENS = set(QUERY_MODIFIER_PARSERS)


_BINARY = ("this", "expression")
_SET = ("this", "expression", "distinct", "with_", "order", "offset")

#: Node types of a query, each with the parts it may have. Anything else is not ADQL, or not for users.
_ALLOWED: Mapping[type[exp.Expr], tuple[str, ...]] = {
    exp.Select: (
        "expressions", "distinct", "limit", "from_", "joins", "where", "group", "having", "order", "offset", "with_"
    ),
    exp.Union: _SET, exp.Except: _SET, exp.Intersect: _SET,
    exp.With: ("expressions",), exp.CTE: ("this", "alias"),
    exp.Subquery: ("this", "alias", "order", "offset", "joins"),
    exp.From: ("this",), exp.Join: ("this", "on", "using", "side", "kind"),
    exp.Table: ("this", "db", "alias", "joins"), exp.TableAlias: ("this",),
    exp.Where: ("this",), exp.Having: ("this",), exp.Group: ("expressions",), exp.Distinct: ("expressions",),
    exp.Order: ("expressions",), exp.Ordered: ("this", "desc", "nulls_first"),
    exp.Limit: ("expression",), exp.Offset: ("expression",),
    exp.Alias: ("this", "alias"), exp.Column: ("this", "table", "db"), exp.Star: (), exp.Identifier: ("this", "quoted"),
    exp.Literal: ("this", "is_string"), exp.Boolean: ("this",), exp.Null: (),
    exp.Paren: ("this",), exp.Tuple: ("expressions",), exp.Neg: ("this",), exp.Not: ("this",),
    exp.And: _BINARY, exp.Or: _BINARY, exp.EQ: _BINARY, exp.NEQ: _BINARY, exp.LT: _BINARY, exp.LTE: _BINARY,
    exp.GT: _BINARY, exp.GTE: _BINARY, exp.Add: _BINARY, exp.Sub: _BINARY, exp.Mul: _BINARY,
    exp.Div: (*_BINARY, "typed", "safe"), exp.DPipe: (*_BINARY, "safe"),
    exp.Like: (*_BINARY, "negate"), exp.ILike: (*_BINARY, "negate"), exp.Escape: _BINARY, exp.Is: _BINARY,
    exp.Between: ("this", "low", "high"), exp.In: ("this", "expressions", "query"), exp.Exists: ("this",),
    exp.Case: ("this", "ifs", "default"), exp.If: ("this", "true"),
    exp.Cast: ("this", "to"), exp.DataType: ("this", "expressions", "nested"), exp.DataTypeParam: ("this",),
    exp.Count: ("this", "big_int"), exp.Sum: ("this",), exp.Avg: ("this",), exp.Min: ("this",), exp.Max: ("this",),
    exp.Coalesce: ("this", "expressions"), exp.Anonymous: ("this", "expressions"),
}  # fmt: skip

_TYPES = frozenset(
    exp.DType[name]
    for name in ("INT", "SMALLINT", "BIGINT", "FLOAT", "DOUBLE", "CHAR", "VARCHAR", "TIMESTAMP")
)  # fmt: skip


def parse(query: str) -> exp.Query:
    """Read a query and refuse everything that is not one.

    Parameters
    ----------
    query
        What the user wrote.

    Returns
    -------
    exp.Query
        A tree of nothing but allowed nodes.

    Raises
    ------
    QueryError
        If the text is not ADQL; the message names the offending part.
    """
    if len(query) > _LONGEST_QUERY:
        raise QueryError(f"the query is longer than {_LONGEST_QUERY} characters")
    if clean(query) != query:
        raise QueryError("the query has a character that is not text")
    try:
        words = Adql().tokenize(query)
        _check_start(words)
        trees = [tree for tree in Adql().parser().parse(words, query) if tree is not None]
        if len(trees) != 1:
            raise QueryError("one statement at a time: there is more behind the ;")
        tree = trees[0]
        if not isinstance(tree, exp.Query):
            raise QueryError(f"this is not a query: {fragment(tree)}")
        if isinstance(tree, exp.Subquery) and len([part for part in tree.args.values() if part]) > 1:
            raise QueryError("there is something behind the query in parentheses")
        for node in tree.walk():
            _check(node)
    except ParseError as error:
        raise QueryError(_syntax(error)) from None
    except TokenError:
        raise QueryError("syntax error: a quoted text or name is not closed") from None
    except RecursionError:
        raise QueryError("the query is nested too deeply") from None
    return tree


def fragment(node: exp.Expr) -> str:
    """Return a node as the user might have written it, shortened for a message."""
    text = node.sql(dialect=Adql, comments=False)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _check_start(words: list[Token]) -> None:
    if not words:
        raise QueryError("the query is empty")
    first = next((word for word in words if word.token_type is not TokenType.L_PAREN), words[0])
    if first.token_type not in {TokenType.SELECT, TokenType.WITH}:
        raise QueryError(f"only SELECT queries are answered here, and this one starts with {first.text[:40]!r}")


def _syntax(error: ParseError) -> str:
    if not error.errors:
        return "syntax error"
    first = error.errors[0]
    place = f"line {first.get('line')}, column {first.get('col')}"
    near = str(first.get("highlight") or "the end").strip()[:60]
    return f"syntax error near {near!r} ({place})"


def _check(node: exp.Expr) -> None:
    parts = _ALLOWED.get(type(node))
    if parts is None:
        raise QueryError(f"not supported in ADQL: {fragment(node)}")
    if isinstance(node, exp.DataType) and node.this not in _TYPES:
        raise QueryError(f"a value cannot be CAST to {fragment(node)}")
    for name, value in node.args.items():
        if value and name not in parts:
            raise QueryError(f"{_clause(name)} is not supported in ADQL: {fragment(node)}")
    if isinstance(node, exp.Anonymous):
        _check_call(node)
    elif isinstance(node, exp.Limit | exp.Offset) and not _is_count(node.expression):
        raise QueryError(f"a number of rows must be a whole number, not {fragment(node.expression)}")


def _clause(name: str) -> str:
    known = {
        "method": "NATURAL JOIN",
        "catalog": "a table name of three parts",
        "recursive": "WITH RECURSIVE",
        "hints": "a hint",
        "expressions": "this number of arguments",
        "columns": "a list of columns behind an alias",
    }
    return known.get(name, name.rstrip("_").replace("_", " ").upper())


def _is_count(node: exp.Expr | None) -> bool:
    return isinstance(node, exp.Literal) and not node.is_string and str(node.this).isdigit()


def _check_call(node: exp.Anonymous) -> None:
    name = str(node.this).upper()
    function = FUNCTIONS.get(name)
    if function is None:
        raise QueryError(f"there is no function {name}")
    count = len(node.expressions)
    if not function.fewest <= count <= function.most:
        raise QueryError(f"{name} does not take {count} argument{'s' * (count != 1)}: {fragment(node)}")
