"""The groups of the caller, asked of a group membership service (IVOA GMS 1.0)."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .answers import judge
from .archive import Archive, Verdict
from .clock import Clock, Instant
from .domain import Target
from .edge import is_anonymous
from .errors import (
    CredentialsNotFoundError,
    GroupsAnswerError,
    GroupsError,
    GroupsRefusedError,
    GroupsServiceUnknownError,
    GroupsUnavailableError,
    GroupsUserUnknownError,
)
from .hops import get_inside, held_for, is_inside, session_for_one_question
from .login_client import LoginAnswer, parse_date
from .lookup import find_archive
from .registry import default_registry
from .sent import sent_with
from .session import AuthSession
from .wire import drop, redirect_target

if TYPE_CHECKING:
    from requests import Response

    from .wallet import Key

__all__ = ["GroupClient", "groups"]

_NAME = re.compile(r"[A-Za-z0-9,._~-]+")
_IVOID = re.compile(r"(ivo://[^?#\s]+)\?([^#\s]*)", re.IGNORECASE)
_LIMIT = 1024 * 1024
_LONG_QUERY = 4000  # servers are free to refuse more than 8000 (RFC 9110, section 4.1)
_PATIENCE = 10.0
_LONGEST = 3600.0
_REMEMBERED = 64
_NOT_KEPT = re.compile(r"\b(no-store|no-cache|max-age=0)\b", re.IGNORECASE)


def groups(
    archive_or_url: str,
    *names: str,
    account: str | None = None,
    interactive: bool | None = None,
    service: str = "",
    refresh: bool = False,
) -> list[str]:
    """Ask an archive's group membership service for the groups of the caller (IVOA GMS 1.0, section 3).

    Parameters
    ----------
    archive_or_url
        The archive's name, or any URL of it; one whose path ends with ``/search`` is the access URL of the service
        itself, and is asked as it is.
    *names
        Groups to ask about; none: all of them. A full identifier, ``ivo://authority/path?name``, is taken where
        ``service`` says that the archive's service is the one that it names: groups of two services may have one
        name.
    account
        The label of the account; None: the archive's default account.
    interactive
        Whether a person may be asked: True, False, or None to look for a terminal or notebook.
    service
        The IVOID under which the service is registered, as ``ivo://authority/path``.
    refresh
        Ask although an earlier answer still holds. One is remembered as long as its ``Expires`` says, an hour at
        most, and for the permit that it was given to alone.

    Returns
    -------
    list of str
        The names, in the service's order; of those that were asked for, as they were given and in their order. What
        was not asked for is left out, whatever the service answers.

    Raises
    ------
    ValueError
        When a name is none, names a group of another service, or the service's URL has a query.
    GroupsServiceUnknownError
        When no service is known for the archive, or it lies outside of the archive's domains.
    GroupsRefusedError, GroupsUserUnknownError
        When the service does not accept the permit, or does not know whose it is.
    GroupsUnavailableError
        When it is in trouble; it is asked a second time where it wants to be within ten seconds.
    GroupsAnswerError
        When the answer is no list of names, is too large, or leads out of the archive.
    CredentialsNotFoundError
        When there are no credentials, or :func:`anonymous` is in force.
    PluginNotInstalledError, PluginClashError
        When no single plugin knows the archive.
    VoAuthError
        When no permit can be had for another reason.
    """
    client = _shared()
    return client.ask(
        archive_or_url, *names, account=account, interactive=interactive, service=service, refresh=refresh
    )


@functools.cache
def _shared() -> GroupClient:
    return GroupClient()


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer that is remembered."""

    names: tuple[str, ...]
    since: Instant
    life: float


_Key = tuple[str, "Key", Instant, frozenset[str]]


class GroupClient:
    """Ask group membership services, and remember what they allow to be remembered.

    Parameters
    ----------
    clock
        This machine's clocks.
    """

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._kept: Mapping[_Key, _Kept] = {}  # replaced as a whole: no thread, and no fork, meets half of it

    def ask(
        self,
        archive_or_url: str,
        *names: str,
        account: str | None = None,
        interactive: bool | None = None,
        service: str = "",
        refresh: bool = False,
    ) -> list[str]:
        """Return the groups of the caller; everything as for :func:`groups`.

        Parameters
        ----------
        archive_or_url, *names, account, interactive, service, refresh
            As for :func:`groups`.

        Returns
        -------
        list of str
            The names.

        Raises
        ------
        ValueError, GroupsError, VoAuthError
            As for :func:`groups`.
        """
        asked = {name: _bare(name, service) for name in names}
        archive = find_archive(archive_or_url)
        url = _access_url(archive, archive_or_url)
        if is_anonymous():
            raise CredentialsNotFoundError(
                f"The groups at {archive.title} are those of a permit's owner, and vo_auth.anonymous() keeps permits "
                "back: ask outside of it"
            )
        with session_for_one_question(url, account=account, interactive=interactive) as session:
            # with a permit that is gone since, by renewal, login or logout, what it brought is not found any more
            key = (url, *_asker(session, url), frozenset(asked.values()))
            found = None if refresh else self._remembered(key)
            if found is None:
                since = self._clock.instant()
                found, life = self._answered(session, archive, url, asked.values())
                self._remember(key, _Kept(found, since, life))
        if not names:
            return list(found)
        return [name for name, bare in asked.items() if bare in found]

    def _answered(
        self, session: AuthSession, archive: Archive, url: str, names: Iterable[str]
    ) -> tuple[tuple[str, ...], float]:
        """Return the names in the service's answer, and for how long they may be remembered."""
        params = [("group", name) for name in dict.fromkeys(names)]
        if sum(len(name) + 7 for _, name in params) > _LONG_QUERY:
            params = []  # all of them, and what was asked for is looked up here
        ask = functools.partial(
            get_inside, session, url, archive=archive, registry=default_registry(), accept="text/plain", params=params
        )
        response = ask()
        wait = _retry_after(response) if response.status_code in (429, 503) else None
        if wait is not None and wait <= _PATIENCE:
            drop(response)
            self._clock.sleep(wait)
            response = ask()
        with response:
            if response.status_code != 200 or judge(response, archive) is Verdict.ANONYMOUS:
                raise _failure(response, archive)
            return _names_in(response, archive), _life(response.headers, self._clock.wall())

    def _remembered(self, key: _Key) -> tuple[str, ...] | None:
        kept = self._kept.get(key)
        return kept.names if kept is not None and self._holds(kept) else None

    def _remember(self, key: _Key, kept: _Kept) -> None:
        others = [(other, one) for other, one in self._kept.items() if other != key and self._holds(one)]
        mine = [(key, kept)] if self._holds(kept) else []
        self._kept = dict([*others[1 - _REMEMBERED :], *mine])

    def _holds(self, kept: _Kept) -> bool:
        return self._clock.since(kept.since) < kept.life


# -------------------------------------------------------------------- whom to ask, and what


def _bare(name: str, service: str) -> str:
    """Return a group's bare name.

    Raises
    ------
    ValueError
        When it is none, or that of a group of another service.
    """
    full = _IVOID.fullmatch(name)
    bare = full[2] if full else name
    if not _NAME.fullmatch(bare):
        raise ValueError(f"{name!r} is no name of a group: letters, digits and , - . _ ~ are")
    if full and full[1].rstrip("/").lower() != service.rstrip("/").lower():  # IVOA Identifiers 2.0: in any case
        known = f"which is not {service}" if service else "and nobody said that the archive's is that one"
        raise ValueError(
            f"{name!r} is a group of the service {full[1]}, {known}: give service={full[1]!r} if it is, "
            "else ask the archive whose service it is"
        )
    return bare


def _access_url(archive: Archive, archive_or_url: str) -> str:
    """Return the access URL of the service.

    Raises
    ------
    ValueError
        When the URL is that of a service, with a query.
    GroupsServiceUnknownError
        When none is known, or it is not inside the archive.
    """
    url = archive.groups
    if archive_or_url != url and "://" in archive_or_url:
        target = Target.from_url(archive_or_url)
        if target.path.rstrip("/").endswith("/search"):
            if "?" in archive_or_url or "#" in archive_or_url:
                raise ValueError(
                    f"{target.origin}{target.path} is taken for a group membership service: give names of groups as "
                    "arguments, not in its URL; or name the archive instead"
                )
            url = f"{target.origin}{target.path}"
    if not url:
        raise GroupsServiceUnknownError(
            f"No group membership service is known for {archive.title}: give its access URL, or write it as "
            f'groups = "https://…" under [archive.{archive.name}] in the configuration file'
        )
    if not is_inside(archive, default_registry(), url):
        raise GroupsServiceUnknownError(
            f"The group membership service of {archive.title} at {_where(url)} is outside of the archive's domains, "
            f"where its permits do not go: add it to domains under [archive.{archive.name}] in the configuration "
            "file, or ask the archive that it belongs to"
        )
    return url


def _asker(session: AuthSession, url: str) -> tuple[Key, Instant]:
    """Return whose permit a request would carry, and since when it is held; what it is, is not needed.

    Raises
    ------
    VoAuthError
        When none can be had.
    """
    held = held_for(session, url)
    return held.key, held.obtained


# -------------------------------------------------------------------- what it answers


def _names_in(response: Response, archive: Archive) -> tuple[str, ...]:
    """Return the names in an answer: one a line, ended by CRLF (GMS 1.0, section 3.1) or, as at CADC, by LF.

    Raises
    ------
    GroupsAnswerError
        When it is anything else.
    """
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in ("", "text/plain"):
        raise _no_names(response, archive, f"{kind!r} where names of groups were due")
    body = b""
    for piece in response.iter_content(8192):
        body += piece
        if len(body) > _LIMIT:
            raise _no_names(response, archive, f"more than {_LIMIT} bytes")
    if body and not body.endswith(b"\n") and not _is_measured(response):
        raise _no_names(response, archive, "names of which the last may be cut")
    lines = [line.strip(b" \t") for line in re.split(rb"\r?\n", body)]
    names = [line.decode("ascii", "replace") for line in lines if line]
    if not all(_NAME.fullmatch(name) for name in names):
        raise _no_names(response, archive, "text that is no list of names")
    return tuple(dict.fromkeys(names))


def _is_measured(response: Response) -> bool:
    """Say whether an answer tells its length, so that one that breaks off is known."""
    return "Content-Length" in response.headers or "chunked" in response.headers.get("Transfer-Encoding", "").lower()


def _failure(response: Response, archive: Archive) -> GroupsError:
    status, sent = response.status_code, sent_with(response)
    account = f" (account {sent.account!r})" if sent and sent.account else ""
    place = f"The group membership service of {archive.title} at {_where(response.url)}"
    if status in (200, 401) or (status == 403 and "WWW-Authenticate" in response.headers):
        return GroupsRefusedError(
            f"{place} does not accept the permit{account}: run `vo-auth login {archive.name} --force`",
            request=response.request,
        )
    if status == 403 or (status == 404 and _is_about_a_user(response)):
        return GroupsUserUnknownError(
            f"{place} accepts the permit{account}, but knows no such user or does not let it ask (status {status}): "
            "ask the archive to register the account there",
            request=response.request,
        )
    if status == 429 or status >= 500:
        wait = _retry_after(response)
        when = "later" if wait is None else f"in {wait:.0f} s"
        return GroupsUnavailableError(
            f"{place} is in trouble (status {status}): try again {when}", retry_after=wait, request=response.request
        )
    if location := redirect_target(response):
        return _no_names(response, archive, f"a redirect to {_where(location)}, which is not followed")
    return _no_names(response, archive, f"status {status}")


def _is_about_a_user(response: Response) -> bool:
    """Say whether a 404 is CADC's for a user that is not known (``ACSearchRunner.java``), not for the address."""
    if not response.headers.get("Content-Type", "").lower().startswith("text/plain"):
        return False
    start = next(response.iter_content(512), b"")
    return re.search(rb"user|identit", start, re.IGNORECASE) is not None


def _no_names(response: Response, archive: Archive, what: str) -> GroupsAnswerError:
    return GroupsAnswerError(
        f"{archive.title}: {_where(response.url)} answers with {what}; is it the access URL of a group membership "
        "service (IVOA GMS 1.0)?",
        request=response.request,
    )


def _retry_after(response: Response) -> float | None:
    return LoginAnswer(status=response.status_code, headers=response.headers, body=b"", cookies={}).retry_after


def _life(headers: Mapping[str, str], now: float) -> float:
    """Return for how many seconds an answer may be remembered, by its Expires header (RFC 9111, section 5.3)."""
    until = parse_date({"Date": headers.get("Expires", "")})  # a date like the other
    if until is None or _NOT_KEPT.search(headers.get("Cache-Control", "")):
        return 0.0
    date = parse_date(headers)
    return min(until - (now if date is None else date), _LONGEST)


def _where(url: str) -> str:
    """Return origin and path of a URL: its query, or a user name in it, is nobody's business."""
    try:
        target = Target.from_url(url)
    except ValueError:
        return "an address that cannot be requested"
    return f"{target.origin}{target.path}"
