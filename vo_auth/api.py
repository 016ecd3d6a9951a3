"""What people call beside sessions: log in, log out, look."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .archive import Archive, KnownFile
from .claims import Policy
from .domain import Target
from .duration import seconds_in
from .errors import PermitKindError, UnusableCredentialsError
from .farewell import LoggedOut, logout
from .holdings import HeldPermit, HeldPermits, moment, status
from .lookup import find_archive
from .lookup import find_with_realm as _find
from .naming import edge_for, known_sources
from .permit import BearerPermit, HeaderPermit
from .registry import default_registry
from .secret import Secret
from .written import note_written

if TYPE_CHECKING:
    from .wallet import Held, Want

__all__ = [
    "HeldPermit",
    "HeldPermits",
    "Identity",
    "LoggedOut",
    "find_archive",
    "login",
    "logout",
    "status",
    "token",
    "token_header",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who is logged in.

    Parameters
    ----------
    archive
        The archive's name.
    account
        The account's label.
    user
        The user's name at the archive, as the login knows it; empty where it does not.
    expires
        When the permit ends; None where that is not known.
    """

    archive: str
    account: str
    user: str
    expires: datetime.datetime | None


def login(
    archive_or_url: str,
    *,
    account: str | None = None,
    flow: str | None = None,
    force: bool = False,
    interactive: bool | None = None,
    to_file: str | None = None,
    keep_password: bool | str = False,
    sources: Mapping[str, str] | None = None,
    **credentials: str | Secret,
) -> Identity:
    """Log in now, so that later work asks nobody.

    Parameters
    ----------
    archive_or_url
        The archive's name, or any URL of it.
    account
        A label for the account; None: the archive's default account.
    flow
        The name of the flow to use; None: the first that fits the credentials.
    force
        Log in although a valid permit is held.
    interactive
        Whether a person may be asked: True, False, or None to look for a terminal or notebook.
    to_file
        Also write credentials and permit, as the archive's own client keeps them, to this file (readable by its owner
        alone); ``"default"`` is where that client looks.
    keep_password
        Keep the password in the keyring once the archive has accepted it, so that later logins ask nobody. Where there
        is no keyring a person is asked once more; ``"file"`` says yes to the wallet's plain file at once.
    sources
        As for :func:`session_for`: names of sources of credentials, each with ``try``, ``require`` or ``never``.
    **credentials
        As for :func:`session_for`; the permit goes to the wallet, and the credentials stay in this process until it
        ends, so that renewal asks nobody.

    Returns
    -------
    Identity
        Who is logged in.

    Raises
    ------
    CredentialsNotFoundError, UnusableCredentialsError, CredentialsRejectedError, PromptCancelledError
        When the credentials are the problem.
    LoginError
        When the login could not be carried out.
    PluginNotInstalledError, PluginClashError
        When no single plugin knows the archive.
    TypeError
        When credentials are given together with ``sources``.
    ValueError
        When the flow, or a source, is not known.
    WalletError
        When the password is to be kept and cannot be.
    """
    from .wallet import Account, default_wallet

    credentials = _hidden(credentials)  # at once: a traceback with locals would show them
    archive, realm = _find(archive_or_url)
    if sources:
        archive = _with_sources(archive, sources, alone=set(credentials) <= {"username"})
    wallet = default_wallet()
    want = _want(archive, account, realm=realm, interactive=interactive)
    if account is not None:  # whatever the user name is: the permit is kept under this label
        want = replace(want, account=replace(want.account, is_label=True, user=want.account.username))
    only_name = set(credentials) == {"username"}
    if only_name:  # no credentials yet: whom to ask for
        name = credentials.pop("username")
        name = name.reveal() if isinstance(name, Secret) else name
        named = replace(want.account, user=name) if account is not None else Account(name, is_default=_is(want, name))
        want = replace(want, account=named)
    if to_file is not None:
        _client_file(archive)  # before anybody is asked
    held = wallet.login(
        want,
        credentials=credentials or None,
        flow=flow,
        force=force,
        keep=keep_password,
        ask_username=not only_name,
    )
    if to_file is not None:
        _write_client_file(archive, held, wallet.credentials(_want(archive, held.key.account, realm=realm)), to_file)
    return Identity(
        archive=archive.name, account=held.key.account, user=held.grant.identity, expires=moment(held.grant.expires)
    )


def token(url: str, *, account: str | None = None, min_life: float | str | None = None) -> Secret:
    """Return a token that fits a URL, for a program that takes no session.

    Parameters
    ----------
    url
        Where the token is to be sent.
    account
        The label of the account; None: the archive's default account.
    min_life
        How long it must still hold: seconds, or text as ``"8h"``.

    Returns
    -------
    Secret
        The token; ``.reveal()`` gives its text.

    Raises
    ------
    PermitKindError
        When the archive's permit is a cookie or certificate, not a token.
    PermitDomainError
        When the permit excludes this URL, and the archive makes no other one for it.
    InsecureUrlError
        When the URL is plain http, where anyone on the way would read the token.
    PermitLifeError
        When no permit lives that long.
    VoAuthError
        When no permit can be had.
    """
    permit = _fitting(url, account, min_life)
    return permit.token if isinstance(permit, BearerPermit) else permit.value


def token_header(url: str, *, account: str | None = None, min_life: float | str | None = None) -> tuple[str, Secret]:
    """Return the header that carries a token to a URL.

    Parameters
    ----------
    url, account, min_life
        As for :func:`token`.

    Returns
    -------
    tuple
        Its name, and its value as it is sent.

    Raises
    ------
    VoAuthError
        As for :func:`token`.
    """
    permit = _fitting(url, account, min_life)
    ((name, value),) = permit.present(url).headers.items()
    return name, Secret(value)


def _fitting(url: str, account: str | None, min_life: float | str | None) -> BearerPermit | HeaderPermit:
    """Return the permit that a session would send to a URL, where it is a token."""
    archive, realm = _find(url)
    life = seconds_in(min_life) if min_life is not None else 0.0
    held = _sent_there(url, account, life) or _held(archive, account, realm, life)
    permit = held.grant.permit
    if isinstance(permit, BearerPermit | HeaderPermit):
        return permit
    raise PermitKindError(
        f"The permit for {archive.title} is a {permit.kind}, not a token: use a session instead", kind=permit.kind
    )


def _held(archive: Archive, account: str | None, realm: str, life: float) -> Held:
    from .wallet import default_wallet

    return default_wallet().permit(_want(archive, account, realm=realm, min_life=life))


def _sent_there(url: str, account: str | None, life: float) -> Held | None:
    """Return the permit that the edge would give to a request, audience and domains of its own looked at."""
    if "://" not in url:
        return None
    edge = edge_for(Policy(account=account, min_life=life), url, default_registry(), None, {})
    claim = edge.claim(Target.from_url(url))
    if claim is None:
        return None
    edge.why_undressed(claim)  # raises for plain http
    dressing = edge.dress(claim)
    return dressing.held if dressing is not None else None


def _client_file(archive: Archive) -> KnownFile:
    for known in archive.known.files:
        if known.write is not None:
            return known
    raise UnusableCredentialsError(f"There is no credentials file of another program for {archive.title} to write")


def _write_client_file(archive: Archive, held: Held, values: Mapping[str, Secret], to_file: str) -> None:
    from .credentials import write_protected

    known = _client_file(archive)
    assert known.write is not None
    path = known.path if to_file == "default" else to_file
    place = write_protected(path, known.write(values, held.grant), what="The credentials file")
    note_written(place, archive=archive.name, account=held.key.account)  # a logout removes it


def _want(
    archive: Archive,
    account: str | None,
    *,
    realm: str = "",
    interactive: bool | None = None,
    min_life: float = 0.0,
) -> Want:
    from .wallet import Want, default_wallet

    return Want(
        archive=archive,
        account=default_wallet().account(archive, account),
        realm=realm,
        interactive=interactive,
        min_life=min_life,
    )


def _with_sources(archive: Archive, sources: Mapping[str, str], *, alone: bool) -> Archive:
    if not alone:
        raise TypeError("where credentials are given no source is asked: leave out `sources`")
    return replace(archive, sources={**archive.sources, **known_sources(sources, default_registry())})


def _hidden(credentials: dict[str, str | Secret]) -> dict[str, str | Secret]:
    return {name: Secret(value) if isinstance(value, str) else value for name, value in credentials.items()}


def _is(want: Want, username: str) -> bool:
    return username in (want.account.label, want.account.username)
