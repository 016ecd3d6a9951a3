"""What a stand-in tells a TAP service: its tables, its rights, its limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..votable import Column

__all__ = ["Column", "QueryError", "Rights", "Table", "TapSettings"]

#: Says which rows a user may see: an SQL predicate over the table's own columns with ``?`` for its parameters.
Rights = Callable[[str | None], tuple[str, tuple[Any, ...]]]


class QueryError(Exception):
    """A query that cannot be answered; the text is what the user reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table and everything in it.

    Parameters
    ----------
    name
        With its schema, as users write it: ``dbo.raw``.
    columns
        In the order of ``select *``.
    rows
        Values by column name; a missing name is NULL. Read once, when the service is made.
    description, utype
        As in TAP_SCHEMA.tables.
    rights
        Which rows a user may see, asked again for every query; None for all rows, for everybody. It holds for every
        reference to the table: joins, subqueries, aggregates, aliases, common table expressions.
    facts
        Its values in the further columns of TAP_SCHEMA.tables, by name (:attr:`TapSettings.table_columns`).
    """

    name: str
    columns: tuple[Column, ...]
    rows: Sequence[Mapping[str, Any]]
    description: str = ""
    utype: str = ""
    rights: Rights | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def schema(self) -> str:
        """The part of the name before the last dot, or an empty string."""
        return self.name.rpartition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class TapSettings:
    """How a TAP service presents itself, and its limits.

    Parameters
    ----------
    base_path
        The path of the service: ``/tap_obs``.
    title
        A few words for people.
    default_duration, max_duration
        Seconds that a query may take: until asked otherwise, and at most.
    default_maxrec, max_rows
        Rows in an answer: until asked otherwise, and at most.
    job_lifetime, max_lifetime
        Seconds until a job is destroyed: until asked otherwise, and at most.
    max_wait
        Seconds that a blocking poll (UWS 1.1, section 2.2.1.1) is held at most.
    examples
        The XHTML document at ``/examples``, or None for none.
    anonymous_jobs
        Whether jobs may be made without an identity. Such a job is open to everyone who knows its URL.
    list_anonymous_jobs
        Whether those jobs are in the list that the anonymous see.
    minimum_seconds
        Seconds that every query takes at least, asked when it starts; None for no such delay.
    table_columns
        Columns that TAP_SCHEMA.tables has beside the standard's (TAP 1.1, section 4: a service may add its own).
    """

    base_path: str = "/tap"
    title: str = "TAP"
    default_duration: int = 60
    max_duration: int = 3600
    default_maxrec: int = 100_000
    max_rows: int = 1_000_000
    job_lifetime: int = 7 * 86_400
    max_lifetime: int = 30 * 86_400
    max_wait: float = 30.0
    examples: str | None = None
    anonymous_jobs: bool = True
    list_anonymous_jobs: bool = False
    minimum_seconds: Callable[[], float] | None = None
    table_columns: tuple[Column, ...] = ()
