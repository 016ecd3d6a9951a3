"""``vo-auth get``: download files, from a list, a table or the command line."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import AccountOption
from .progress import Display, display_for

if TYPE_CHECKING:
    from ..transfer import Downloaded, Failed, Item, Options, Sessions

__all__ = ["get"]

_INTERRUPTED, _TERMINATED = 130, 143


class _Terminated(BaseException):
    """SIGTERM came: a batch system's limit, say."""


def get(  # noqa: PLR0917 - typer turns each into an option
    urls: Annotated[list[str] | None, typer.Argument(help="What to fetch.", show_default=False)] = None,
    list_file: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", help="A file with one URL a line, a digest behind it or not; - is stdin."),
    ] = None,
    votable: Annotated[str | None, typer.Option(help="A VOTable with URLs: a file, or its own URL.")] = None,
    column: Annotated[str | None, typer.Option(help="Its column with the URLs; else access_url.")] = None,
    semantics: Annotated[
        list[str] | None,
        typer.Option(help="Which DataLink links to follow, as '#calibration'; again for the next level."),
    ] = None,
    directory: Annotated[Path, typer.Option("--directory", "-d", help="Where to.")] = Path(),
    workers: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Files at once.")] = 4,
    per_host: Annotated[int | None, typer.Option(min=1, help="Files at once from one host; else 4.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files of the same name.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Ask again for files that are there.")] = False,
    digest: Annotated[str, typer.Option(help="Compute this digest of each file, as sha256.")] = "",
    digests: Annotated[
        str | None, typer.Option(help="A list as sha256sum writes it, with URLs or names: files must have these.")
    ] = None,
    pages: Annotated[bool, typer.Option("--pages", help="Save HTML pages and error documents, too.")] = False,
    account: AccountOption = None,
    anonymous: Annotated[bool, typer.Option("--anonymous", help="Send no permit.")] = False,
    retries: Annotated[int, typer.Option(min=0, help="Attempts in a row that may bring nothing.")] = 5,
    durable: Annotated[bool, typer.Option("--durable", help="Bring each file to the disk itself (fsync).")] = False,
    failed_to: Annotated[
        Path | None, typer.Option(help="Write the URLs of what failed here, for -i; your eyes only.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print events as JSON, one a line.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but what failed.")] = False,
) -> None:
    """Download files, whole or not at all, with permits where they are due.

    The same command again goes on with what is missing. Its status is 0 when all is there, 1 when some failed.

    Example: vo-auth get -i list.txt -d data
    """
    from ..edge import anonymous as without_permits
    from ..transfer import Options, Sessions, queries_masked

    options = _usable(
        Options,
        workers=workers,
        per_host=per_host or 4,
        overwrite=overwrite,
        check=check,
        digest=digest,
        pages=pages,
        retries=retries,
        durable=durable,
    )
    sessions = Sessions(account=account, workers=workers)
    try:
        with without_permits() if anonymous else nullcontext(), queries_masked(), _sigterm_raises():
            items = list(
                _items(
                    urls or [],
                    lists=list_file or [],
                    votable=votable,
                    column=column,
                    semantics=semantics or [],
                    sessions=sessions,
                )
            )
            items = _with_digests(items, digests)
            status = _run(
                items,
                directory=directory,
                options=options,
                sessions=sessions,
                display=display_for(as_json=as_json, quiet=quiet),
                failed_to=failed_to,
            )
    except (KeyboardInterrupt, _Terminated) as error:
        sys.stderr.write("vo-auth: interrupted; the same command goes on with what is missing\n")
        status = _INTERRUPTED if isinstance(error, KeyboardInterrupt) else _TERMINATED
    finally:
        sessions.close()
    raise typer.Exit(status)


def _usable(kind: type[Options], **values: Any) -> Options:
    try:
        return kind(**values)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _run(
    items: list[Item],
    *,
    directory: Path,
    options: Options,
    sessions: Sessions,
    display: Display,
    failed_to: Path | None,
) -> int:
    from ..transfer import fetch_all

    with display:
        display.begin(len({item.url for item in items}))
        there, failed = fetch_all(items, directory, options=options, sessions=sessions, progress=display.show)
    display.close(_unique(there), failed)
    if failed_to is not None:
        _write_list(failed_to, failed)
    return 1 if failed else 0


def _unique(there: list[Downloaded]) -> list[Downloaded]:
    return list({one.path: one for one in there}.values())


def _write_list(path: Path, failed: list[Failed]) -> None:
    """Write URLs for another run: whole, as a signature in them may be needed, and so for the owner alone."""
    from ..credentials import write_protected

    text = "".join(f"{one.url}\n" for one in failed if "://" in one.url)
    write_protected(path, text, what="The list of what failed")


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that the workers are told to end."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


# ---------------------------------------------------------------- what to fetch


def _items(
    urls: list[str],
    *,
    lists: list[str],
    votable: str | None,
    column: str | None,
    semantics: list[str],
    sessions: Sessions,
) -> Iterator[Item]:
    from ..transfer import fetch_table, links_in, read_votable

    if not urls and not lists and votable is None:
        raise typer.BadParameter("give URLs, -i LIST or --votable TABLE")
    if column is not None and votable is None:
        raise typer.BadParameter("--column is for --votable")
    wanted, digests = _read_lists(lists)

    def fetch(url: str) -> object:
        return fetch_table(url, sessions.get(url))

    try:
        yield from links_in([*urls, *wanted], semantics=semantics, digests=digests, fetch=fetch)
        if votable is not None:
            table = fetch(votable) if "://" in votable else read_votable(votable)
            yield from links_in(table, column=column, semantics=semantics, fetch=fetch)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _read_lists(names: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    urls, digests = [], {}
    for name in names:
        for line in _lines(name):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            urls.append(words[0])
            if len(words) > 1:
                digests[words[0]] = words[1]
    return urls, digests


def _lines(name: str) -> list[str]:
    if name == "-":
        return sys.stdin.read().splitlines()
    try:
        return Path(name).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise typer.BadParameter(f"{name} cannot be read: {reason}") from None


def _with_digests(items: list[Item], name: str | None) -> list[Item]:
    """Give items the digests of a list: by their URL, else by the last part of it."""
    if name is None:
        return items
    from dataclasses import replace

    from ..transfer import parse_listing

    try:
        listed = parse_listing("\n".join(_lines(name)))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    found = []
    for item in items:
        last = item.url.partition("?")[0].rstrip("/").rpartition("/")[2]
        digest = listed.get(item.url) or listed.get(last) or item.digest
        found.append(replace(item, digest=digest))
    if items and not any(item.digest for item in found):
        raise typer.BadParameter(f"no line of {name} is about any of these URLs")
    return found
