"""The database behind a TAP service: SQLite in memory, a private copy of it for every query.

A query sees views, never the tables behind them. A view of a table with row rights shows only the rows that the user
may see, so the rights hold whatever the query looks like; and SQLite itself (through its authorizer) refuses to read
a table except from within its view.
"""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from .functions import FUNCTIONS, install
from .model import Column, QueryError, Table
from .translate import Statement, translate

__all__ = ["Database", "QueryStoppedError", "Rows"]

# Blanks at the end of a text do not count in comparisons (SQL-92, section 8.2); SQLite calls that RTRIM.
_TEXT = "TEXT COLLATE RTRIM"
_AFFINITY = {"char": _TEXT, "unicodeChar": _TEXT, "float": "REAL", "double": "REAL"}
_STEPS = 2000  # virtual machine steps between two looks at the clock: well under a millisecond
_BUILT_IN = frozenset({"count", "sum", "avg", "min", "max", "coalesce", "like", "lower"})


class QueryStoppedError(Exception):
    """The query was stopped before its end: too long, or aborted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What a query found.

    Parameters
    ----------
    columns
        In order.
    records
        One tuple for each row.
    overflow
        Whether there were more rows than were asked for.
    """

    columns: tuple[Column, ...]
    records: list[tuple[Any, ...]]
    overflow: bool

    def mappings(self) -> list[dict[str, Any]]:
        """Return the rows as mappings by column name."""
        names = [column.name for column in self.columns]
        return [dict(zip(names, record, strict=True)) for record in self.records]


class Database:
    """All tables of one service.

    Parameters
    ----------
    tables
        Their rows are read now and never again.
    """

    def __init__(self, tables: Iterable[Table]) -> None:
        self.tables = {table.name.lower(): table for table in tables}
        self._lock = threading.Lock()
        self._master = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        weakref.finalize(self, self._master.close)  # Python 3.13 warns of one that nobody closed
        for name, table in self.tables.items():
            _store(self._master, name, table)

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._master.close()

    def compile(self, query: str, *, uploads: Sequence[Table] = ()) -> Statement:
        """Translate a query against these tables.

        Parameters
        ----------
        query
            What the user wrote.
        uploads
            Further tables for this query alone.

        Returns
        -------
        Statement
            For :meth:`run`.

        Raises
        ------
        QueryError
            If the query cannot be answered.
        """
        return translate(query, self._with(uploads))

    def run(
        self,
        statement: Statement,
        *,
        user: str | None,
        maxrec: int,
        uploads: Sequence[Table] = (),
        stopped: Callable[[], bool] = lambda: False,
    ) -> Rows:
        """Run a query in the calling thread.

        Parameters
        ----------
        statement
            From :meth:`compile`.
        user
            Whose rights hold; None for the anonymous.
        maxrec
            Rows to give at most.
        uploads
            The tables that were given to :meth:`compile`.
        stopped
            Asked often; once it says yes the query ends.

        Returns
        -------
        Rows
            What was found.

        Raises
        ------
        QueryError
            If SQLite refuses the query, or a function has no value for its arguments.
        QueryStoppedError
            If ``stopped`` said yes.
        """
        failures: list[str] = []
        with closing(self._copy()) as connection:
            for table in uploads:
                _store(connection, table.name.lower(), table)
            known = self._with(uploads)
            for name in statement.tables:
                _show(connection, name, known[name], user)
            install(connection, failures)
            connection.execute("PRAGMA case_sensitive_like = ON")
            connection.set_authorizer(_gate(statement.tables))
            connection.set_progress_handler(stopped, _STEPS)
            try:
                found = connection.execute(statement.sql).fetchmany(maxrec + 1)
            except sqlite3.Error as error:
                if stopped():
                    raise QueryStoppedError from None
                raise QueryError(failures[0] if failures else f"the query cannot be run: {error}") from None
        return Rows(columns=statement.columns, records=found[:maxrec], overflow=len(found) > maxrec)

    def _with(self, uploads: Sequence[Table]) -> Mapping[str, Table]:
        return {**self.tables, **{table.name.lower(): table for table in uploads}}

    def _copy(self) -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:", isolation_level=None)
        with self._lock:
            self._master.backup(connection)
        return connection


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))


def _store(connection: sqlite3.Connection, name: str, table: Table) -> None:
    columns = ", ".join(f"{_quoted(c.name)} {_AFFINITY.get(c.datatype, 'INTEGER')}" for c in table.columns)
    marks = ", ".join("?" for _ in table.columns)
    behind = _quoted(f"rows of {name}")
    connection.execute(f"CREATE TABLE {behind} ({columns})")
    connection.execute("BEGIN")
    connection.executemany(
        f"INSERT INTO {behind} VALUES ({marks})",
        ([_stored(row.get(column.name)) for column in table.columns] for row in table.rows),
    )
    connection.execute("COMMIT")


def _stored(value: Any) -> Any:
    """Arrays are kept as text, numbers side by side, as VOTable writes them."""
    if value is None or isinstance(value, str | int | float):
        return value
    return " ".join(repr(float(one)) for one in value)


def _show(connection: sqlite3.Connection, name: str, table: Table, user: str | None) -> None:
    """Make the view of a table that this user may have."""
    columns = ", ".join(_quoted(column.name) for column in table.columns)
    behind, allowed = _quoted(f"rows of {name}"), _quoted(f"allowed {name}")
    condition = ""
    if table.rights is not None:
        predicate, parameters = table.rights(user)
        connection.execute(
            f"CREATE TEMP TABLE {allowed} AS SELECT rowid AS id FROM main.{behind} WHERE ({predicate})", parameters
        )
        condition = f" WHERE rowid IN (SELECT id FROM temp.{allowed})"
    connection.execute(f"CREATE TEMP VIEW {_quoted(name)} AS SELECT {columns} FROM main.{behind}{condition}")


def _gate(tables: frozenset[str]) -> Callable[..., int]:
    """Let SQLite read the views, the tables behind them from within them alone, and do nothing else."""
    functions = _BUILT_IN | {function.sql_name for function in FUNCTIONS.values()}
    behind = {f"rows of {name}": name for name in tables} | {f"allowed {name}": name for name in tables}

    def allow(action: int, first: str | None, second: str | None, _database: str | None, inside: str | None) -> int:
        if action == sqlite3.SQLITE_SELECT:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in functions:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_READ and first is not None:
            hidden = first.startswith(("rows of ", "allowed ", "sqlite_"))
            # A view of which no column is wanted (COUNT(*)) is reported without a column and without its name.
            if not hidden or (first in behind and inside == (behind[first] if second else None)):
                return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    return allow
