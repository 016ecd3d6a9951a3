"""Whose permit it is, asked of those who know: the archive, or the key that signed the permit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from requests import RequestException

from .answers import judge
from .api import Identity
from .archive import Answer, Archive, Verdict, WhoAmI
from .domain import Target
from .edge import is_anonymous
from .errors import IdentityUnknownError, PermitDomainError, VoAuthError
from .flows.text import plain_text
from .holdings import moment
from .hops import get_inside, get_once, held_for, is_inside, session_for_one_question
from .lookup import find_archive
from .permit import BearerPermit
from .registry import default_registry
from .session import AuthSession
from .verified import owner_of
from .wire import drop, peek_into, redirect_target

__all__ = ["whoami"]


class _SilentError(Exception):
    """Somebody was asked and tells nothing; the text says who and why."""


def whoami(url: str, *, account: str | None = None, interactive: bool | None = None) -> Identity | None:
    """Ask for whom an archive takes the owner of the permit that a session sends to it.

    In this order: the archive's own place for the question, where it has one; an authenticated GET of the URL, whose
    answer may say so (``X-VO-Authenticated`` of the IVOA's AuthVO draft; the body is not read); the token's own claims,
    where they bear the signature of the archive's issuer. What none of them tells is an error, never a guess.

    Parameters
    ----------
    url
        A URL of a service of the archive; or the archive's name, where its own place or the token can tell.
    account
        The label of the account; None: the archive's default account.
    interactive
        Whether a person may be asked to log in: True, False, or None to look for a terminal or notebook.

    Returns
    -------
    Identity or None
        None when the archive says that it takes the sender for nobody, or while :func:`anonymous` is in force.

    Raises
    ------
    IdentityUnknownError
        When nobody tells, or the archive refuses the permit.
    PluginNotInstalledError, PluginClashError
        When no single plugin knows the archive.
    VoAuthError
        When no permit can be had.
    requests.RequestException
        When no answer could be had.
    """
    archive = find_archive(url)
    if is_anonymous():
        return None
    is_url = "://" in url
    start = url if is_url else archive.domains[0].base
    with session_for_one_question(start, account=account, interactive=interactive) as session:
        attempts = _places(session, archive, start)
        if is_url:
            attempts.append(partial(_by_header, session, archive, url))
        attempts.append(partial(_by_signature, session, archive, start))
        user = _first_told(archive, attempts)
        if not user:
            return None
        held = held_for(session, start)
    return Identity(archive=archive.name, account=held.key.account, user=user, expires=moment(held.grant.expires))


def _first_told(archive: Archive, attempts: list[Callable[[], str]]) -> str:
    """Return the name that somebody tells first; an empty one is for nobody."""
    silent = []
    for attempt in attempts:
        try:
            return attempt()
        except _SilentError as error:
            silent.append(str(error))
    raise IdentityUnknownError(
        f"Whose permit it is, {archive.title} does not say: {'; '.join(silent)}. Give the URL of a service that does"
    )


# -------------------------------------------------------------------- the archive's own place


def _places(session: AuthSession, archive: Archive, start: str) -> list[Callable[[], str]]:
    """Return questions to the archive's own place for them: at the URL's origin, then at others with the same login."""
    place = archive.whoami
    if place is None:
        return []
    claim = session._edge.claim(Target.from_url(start))
    assert claim is not None  # find_archive found it
    realm = claim.match.domain.realm
    origins = [claim.target.origin, *(domain.origin for domain in archive.domains if domain.realm == realm)]
    urls = dict.fromkeys(f"{origin}{place.path}" for origin in origins)
    return [partial(_by_place, session, url, place) for url in urls if is_inside(archive, default_registry(), url)]


def _by_place(session: AuthSession, url: str, place: WhoAmI) -> str:
    try:
        response = get_once(session, url)
    except PermitDomainError:
        raise _SilentError(f"{url} is not for this permit") from None
    except VoAuthError:
        raise
    except RequestException as error:
        raise _SilentError(f"{url} does not answer ({type(error).__name__})") from None
    answer = Answer(
        status=response.status_code,
        headers=response.headers,
        url=response.url,
        location=redirect_target(response),
        peek=peek_into(response),
    )
    try:
        return plain_text(place.read(answer))
    except ValueError:
        raise _SilentError(f"{url} answers something else (status {response.status_code})") from None
    finally:
        drop(response)


# -------------------------------------------------------------------- any other place


def _by_header(session: AuthSession, archive: Archive, url: str) -> str:
    """Look at the answer to a GET. Its header MUST NOT be in an anonymous answer; that it is missing proves nothing."""
    response = get_inside(session, url, archive=archive, registry=default_registry(), accept="*/*")
    with response:  # unread: it may be large
        where = str(Target.from_url(response.url).origin)
        if name := plain_text(response.headers.get("X-VO-Authenticated", "")):
            return name
        if response.status_code == 401:
            raise IdentityUnknownError(
                f"{archive.title}: {where} refuses the permit, or its owner, with status 401: "
                f"run `vo-auth login {archive.name} --force`, then check the account's rights"
            )
        if judge(response, archive) is Verdict.ANONYMOUS:
            return ""
        if redirect_target(response):
            raise _SilentError(f"{where} leads out of the archive")
        offers = ", and offers a login" if "WWW-Authenticate" in response.headers else ""
        raise _SilentError(f"{where} sends no X-VO-Authenticated (status {response.status_code}{offers})")


def _by_signature(session: AuthSession, archive: Archive, url: str) -> str:
    held = held_for(session, url)
    permit = held.grant.permit
    if not isinstance(permit, BearerPermit):
        raise _SilentError(f"the permit is a {permit.kind}, which nobody signed")
    try:
        return owner_of(permit.token, archive)
    except ValueError as error:
        raise _SilentError(str(error)) from None
