"""URLs from whatever people hold them in: lists, pyvo's results and records, astropy's tables, DataLink documents."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import requests

from ..errors import AnswerError, MissingDependencyError, TransferError
from .digests import parse_digest
from .record import Item, shown
from .trouble import TransientError, as_trouble, refusal, who_answered

__all__ = ["fetch_table", "items_in", "links_in", "read_votable"]

_COLUMN = "access_url"
_CORE = "http://www.ivoa.net/rdf/datalink/core"
# The vocabulary datalink/core: narrower terms mean the wider one, too.
_NARROWER = {
    "#auxiliary": ("#weight", "#error", "#noise"),
    "#calibration": ("#bias", "#dark", "#flat"),
    "#documentation": ("#detached-header",),
    "#preview": ("#preview-image", "#preview-plot", "#thumbnail"),
    "#proc": ("#cutout",),
}
_LIMIT = 64 * 1024 * 1024  # of a table that is read as a whole

Row = Mapping[str, Any]


def items_in(
    things: Any, *, column: str | None = None, semantics: str | None = None, digests: Mapping[str, str] | None = None
) -> Iterator[Item]:
    """Yield the files that something names.

    Parameters
    ----------
    things
        A URL, a row or a table of pyvo or astropy, or an iterable of such.
    column
        The column with the URLs; None: ``access_url``.
    semantics
        Only rows of this DataLink semantics, and of narrower ones; rows of tables without such a column, and plain
        URLs, are all taken.
    digests
        URL → digest that the file must have.

    Yields
    ------
    Item
        In their order.

    Raises
    ------
    ValueError
        When there is no such column, or a digest is none.
    TypeError
        When a thing is none of these.
    """
    for url, row in _named(things, column or _COLUMN):
        if row is not None and semantics and not _means(row, semantics):
            continue
        digest = (digests or {}).get(url, "")
        if url:
            yield Item(
                url=url,
                digest=parse_digest(digest) if digest else "",
                size=_size(row),
                is_page=_text(row, "content_type").startswith("text/html"),
                from_table=row is not None,
            )
        elif row is not None and _text(row, "error_message"):  # DataLink 1.1, section 3.2.3
            subject = _text(row, "ID") or "a row"
            yield Item(url=subject, problem=f"No link for {subject}: {_text(row, 'error_message')}", from_table=True)


def _named(things: Any, column: str) -> Iterator[tuple[str, Row | None]]:
    if isinstance(things, str):
        yield things.strip(), None
    elif isinstance(things, bytes | bytearray):
        raise TypeError("URLs are text, not bytes")
    elif hasattr(things, "colnames"):  # of astropy: a table, or a row of one
        rows = things if hasattr(things, "itercols") else [things]
        yield from (_in_row(dict(zip(row.colnames, row, strict=True)), column) for row in rows)
    elif isinstance(things, Mapping):  # a record of pyvo's
        yield _in_row(things, column, things)
    elif hasattr(things, "getrecord") and hasattr(things, "fieldnames"):  # results of pyvo's
        yield from (_in_row(record, column, record) for record in things)
    elif isinstance(things, Iterable):
        for thing in things:
            yield from _named(thing, column)
    else:
        raise TypeError(f"There are no URLs in a {type(things).__qualname__}: give URLs, a table, or results of pyvo")


def _in_row(row: Row, column: str, record: Any = None) -> tuple[str, Row]:
    names = {str(name).lower(): name for name in row}
    if column.lower() in names:
        return _text(row, names[column.lower()]), row
    getter = getattr(record, "getdataurl", None) if column == _COLUMN else None
    url = getter() if getter is not None else None  # pyvo knows the column by its UCD, too
    if url is None:
        raise ValueError(
            f"There is no column {column!r} in the table: it has {', '.join(map(str, row)) or 'none'}; "
            "name one with column=… (--column)"
        )
    return str(url), row


def _text(row: Row | None, name: str) -> str:
    """Return a value as text; empty for none, for a masked one, and for a column that is not there."""
    try:
        value: Any = None if row is None else row[name]
    except KeyError:
        return ""
    if value is None or getattr(value, "mask", False) is True or _is_masked(value):
        return ""
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip()


def _is_masked(value: Any) -> bool:
    return type(value).__name__ == "MaskedConstant"


def _size(row: Row | None) -> int | None:
    text = _text(row, "content_length")  # of DataLink; ObsCore's access_estsize is only an estimate
    return int(text) if text.isdecimal() and int(text) > 0 else None


def _means(row: Row, wanted: str) -> bool:
    if "semantics" not in {str(name).lower() for name in row}:
        return True
    term, given = _term(wanted), _term(_text(row, "semantics"))
    return given == term or given in _NARROWER.get(term, ())


def _term(text: str) -> str:
    return text.removeprefix(_CORE) if text.startswith((_CORE, "#")) or "://" in text else f"#{text}"


# ---------------------------------------------------------------- documents


def read_votable(source: str | bytes) -> Any:
    """Read the first table of a VOTable.

    Parameters
    ----------
    source
        The path of a file, or its content.

    Returns
    -------
    astropy.table.Table
        The table.

    Raises
    ------
    MissingDependencyError
        When astropy is not installed.
    ValueError
        When it is no VOTable, or has no table.
    """
    try:
        from astropy.io import votable
    except ImportError:
        raise MissingDependencyError("Reading a VOTable needs astropy: pip install astropy") from None
    import warnings

    file: Any = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about details of the standard
            return votable.parse(file, verify="ignore").get_first_table().to_table(use_names_over_ids=True)
    except OSError as error:
        raise ValueError(f"{source!r} cannot be read: {error.strerror or error}") from None
    except Exception as error:
        what = "The answer" if isinstance(source, bytes) else repr(source)
        raise ValueError(f"{what} is no VOTable that can be read: {type(error).__name__}") from None


def fetch_table(url: str, session: requests.Session) -> Any:
    """Fetch a VOTable and read it.

    Parameters
    ----------
    url
        Where it is.
    session
        Whom to ask through.

    Returns
    -------
    astropy.table.Table
        The table.

    Raises
    ------
    VoAuthError
        When it cannot be had, or is none.
    """
    trouble: Exception | None = None
    try:
        with session.get(url, stream=True, timeout=(30.0, 300.0)) as response:
            who, content = who_answered(response), b""
            if response.status_code == 200:
                content = response.raw.read(_LIMIT + 1, decode_content=True)
            else:
                trouble = refusal(response)
    except Exception as error:
        trouble = as_trouble(error)
    if isinstance(trouble, TransientError):
        raise TransferError(f"{trouble}: {shown(url)}")
    if trouble is not None:
        raise trouble
    if len(content) > _LIMIT:
        raise AnswerError(f"{who} answers with a table of more than {_LIMIT:,} bytes: {shown(url)}")
    try:
        return read_votable(content)
    except ValueError as error:
        raise AnswerError(f"{who}: {error} ({shown(url)})") from None


def links_in(
    things: Any,
    *,
    column: str | None = None,
    semantics: Sequence[str] = (),
    digests: Mapping[str, str] | None = None,
    fetch: Callable[[str], Any],
) -> list[Item]:
    """Return the files that something names, or that its DataLink documents link to.

    Parameters
    ----------
    things, column, digests
        As for :func:`items_in`.
    semantics
        Which links to follow, one level after the other: rows that have a semantics of their own are the first; all
        else is the URL of a document.
    fetch
        Returns the table at a URL.

    Returns
    -------
    list of Item
        In their order.
    """
    levels = list(semantics)
    first = levels.pop(0) if levels and _are_links(things) else None
    items = list(items_in(things, column=column, semantics=first, digests=digests))
    for level in levels:
        items = [found for item in items for found in _linked(item, level, fetch)]
    return items


def _linked(item: Item, semantics: str, fetch: Callable[[str], Any]) -> Iterator[Item]:
    if item.problem:
        yield item
    else:
        yield from items_in(fetch(item.url), semantics=semantics)


def _are_links(things: Any) -> bool:
    """Say whether rows have a semantics of their own, and so are links already."""
    if isinstance(things, Mapping):
        names: Iterable[Any] = things
    else:
        names = getattr(things, "colnames", None) or getattr(things, "fieldnames", None) or ()
        if not names and isinstance(things, Sequence) and things and not isinstance(things, str):
            return _are_links(things[0])
    return "semantics" in {str(name).lower() for name in names}
