"""``vo_auth.download``: from what people hold to files that are whole."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import requests

from ..errors import DownloadError, DownloadWarning, VoAuthError
from .crew import Crew
from .folder import Folder
from .logs import queries_masked
from .record import Downloaded, Event, Failed, Item, Options, Progress, key_of
from .sessions import Sessions
from .tables import fetch_table, links_in

__all__ = ["download", "fetch_all"]


def download(
    urls: Any,
    directory: str | os.PathLike[str] = ".",
    *,
    workers: int = 4,
    per_host: int = 4,
    overwrite: bool = False,
    check: bool = False,
    digest: str = "",
    digests: Mapping[str, str] | None = None,
    column: str | None = None,
    semantics: str | Sequence[str] = (),
    pages: bool = False,
    account: str | None = None,
    required: bool = True,
    interactive: bool | None = None,
    session: requests.Session | None = None,
    retries: int = 5,
    partial: bool = False,
    durable: bool = False,
    progress: Progress | None = None,
) -> list[Downloaded]:
    """Download files, whole or not at all, with permits where they are due.

    Permits are renewed on the way; a transfer that breaks goes on where it ended, if the archive still has the same
    version and gives it to the same account. The same call again goes on with what is missing: a journal in the folder
    knows what is there, and files that are there cost no request.

    Parameters
    ----------
    urls
        URLs, an astropy table or row, pyvo's results or records, or an iterable of such. A URL that is named twice is
        fetched once.
    directory
        Where to; it is made where it is not there. Names are those that the archive suggests, made safe; two files of
        one name are both kept.
    workers
        Files at once.
    per_host
        Files at once from one host.
    overwrite
        Whether a file of the same name that is there may be replaced.
    check
        Whether files that are there are asked for again, in case the archive has another version.
    digest
        An algorithm, as ``"sha256"``: compute this digest of every file.
    digests
        URL → the digest that its file must have, as ``"sha256:…"``. One that the archive gives is checked in any case.
    column
        The column of a table that has the URLs; None: ``access_url``.
    semantics
        Which DataLink links to follow, as ``"#calibration"``, or several, one level after the other. Rows of a DataLink
        table are the first level; URLs of other tables, and plain ones, are those of DataLink documents.
    pages
        Whether HTML pages and error documents are saved; they are errors otherwise.
    account, required, interactive
        As for ``session_for``; each archive that is met is named.
    session
        To use instead of one per archive.
    retries
        How many attempts in a row may bring nothing before a file is given up.
    partial
        Whether failures of some files are only a warning.
    durable
        Whether each file is on the disk itself (fsync) before it gets its name: against loss of power, at a price.
    progress
        Is called with each :class:`~vo_auth.transfer.Event`, in the thread of the caller.

    Returns
    -------
    list of Downloaded
        One for each URL that was named, in that order; with ``partial``, without those that failed.

    Raises
    ------
    DownloadError
        When some files could not be had, after all the others; it has ``downloaded`` and ``failed``. Or when the folder
        cannot be used, or has no room.
    AnswerError, TransferError
        When a DataLink document that was asked for cannot be had.
    MissingDependencyError
        When DataLink documents are to be read, and astropy is not installed.
    TypeError, ValueError
        When there are no URLs in what was given, or an option is not possible.

    Examples
    --------
    >>> import tempfile, vo_auth
    >>> vo_auth.download([], tempfile.gettempdir())
    []
    """
    options = Options(
        workers=workers,
        per_host=per_host,
        overwrite=overwrite,
        check=check,
        digest=digest,
        pages=pages,
        retries=retries,
        durable=durable,
    )
    sessions = Sessions(session, account=account, required=required, interactive=interactive, workers=workers)
    with closing(sessions), queries_masked():
        items = links_in(
            urls,
            column=column,
            semantics=(semantics,) if isinstance(semantics, str) else semantics,
            digests=digests,
            fetch=lambda url: fetch_table(url, sessions.get(url)),
        )
        there, failed = fetch_all(items, directory, options=options, sessions=sessions, progress=progress)
    if failed:
        _say(there, failed, partial=partial)
    return there


def _say(there: list[Downloaded], failed: list[Failed], *, partial: bool) -> None:
    first = failed[0].reason
    count = f"{len(failed)} of {len(there) + len(failed)} files" if there or len(failed) > 1 else "The file"
    text = f"{count} could not be had: {first}"
    if not partial:
        error = DownloadError(text)
        error.downloaded, error.failed = tuple(there), tuple(failed)
        raise error
    warnings.warn(text, DownloadWarning, stacklevel=3)


def fetch_all(
    items: Sequence[Item],
    directory: str | os.PathLike[str],
    *,
    options: Options,
    sessions: Sessions,
    progress: Progress | None = None,
) -> tuple[list[Downloaded], list[Failed]]:
    """Fetch files; failures are among what is returned.

    Parameters
    ----------
    items
        The files.
    directory, options, sessions, progress
        Where to, how, whom to ask through, whom to tell.

    Returns
    -------
    tuple
        Those that are there, one per item, and those that are not, each once.

    Raises
    ------
    DownloadError
        When the folder cannot be used, or has no room.
    """
    unique = {key_of(item.url): item for item in reversed(items)}
    order = list(dict.fromkeys(key_of(item.url) for item in items))
    numbers = {key: number for number, key in enumerate(order)}
    folder = Folder(directory, overwrite=options.overwrite, durable=options.durable)
    try:
        crew = Crew([unique[key] for key in order], folder, sessions, options, progress or _say_nothing)
        crew.run()
    finally:
        folder.close()
    there: list[Downloaded] = []
    for item in items:
        result = crew.results[numbers[key_of(item.url)]]
        if isinstance(result, Downloaded):
            there.append(result)
    failed = [
        Failed(url=unique[key].url, error=error)
        for key in order
        if isinstance(error := crew.results[numbers[key]], VoAuthError)
    ]
    return there, failed


def _say_nothing(_: Event) -> None: ...
