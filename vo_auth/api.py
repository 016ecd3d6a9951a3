"""What people call beside sessions: log in, log out, look."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .archive import Archive, KnownFile
from .duration import seconds_in
from .errors import PermitError, UnusableCredentialsError, VoAuthError
from .holdings import HeldPermit, HeldPermits, moment, status
from .lookup import find_archive
from .lookup import find_with_realm as _find
from .permit import BearerPermit, HeaderPermit
from .registry import default_registry
from .secret import Secret

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


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedOut:
    """What a logout did to one account.

    Parameters
    ----------
    archive, account
        Which one.
    revoked
        Whether the archive revoked the permit; False where it cannot: then it holds until its end wherever it was
        copied to.
    note
        What remains to be done, for a person; empty when nothing does.
    """

    archive: str
    account: str
    revoked: bool
    note: str = ""


def login(
    archive_or_url: str,
    *,
    account: str | None = None,
    flow: str | None = None,
    force: bool = False,
    interactive: bool | None = None,
    to_file: str | None = None,
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
    """
    from .wallet import Account, default_wallet

    credentials = _hidden(credentials)  # at once: a traceback with locals would show them
    archive, realm = _find(archive_or_url)
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
    held = wallet.login(want, credentials=credentials or None, flow=flow, force=force, ask_username=not only_name)
    if to_file is not None:
        _write_client_file(archive, held, wallet.credentials(_want(archive, held.key.account, realm=realm)), to_file)
    return Identity(
        archive=archive.name, account=held.key.account, user=held.grant.identity, expires=moment(held.grant.expires)
    )


def logout(archive_or_url: str | None = None, *, account: str | None = None) -> list[LoggedOut]:
    """Forget permits, and revoke them where the archive can.

    Parameters
    ----------
    archive_or_url
        The archive's name or a URL of it; None: every archive.
    account
        Only this account; None: every one.

    Returns
    -------
    list of LoggedOut
        One per account.

    Raises
    ------
    PluginNotInstalledError
        When a URL belongs to no installed plugin.
    WalletError
        When the wallet's file cannot be used.
    """
    from .wallet import default_wallet

    wallet = default_wallet()
    if archive_or_url is None:
        names = sorted({held.key.archive for held in wallet.everything()})
    else:
        names = [find_archive(archive_or_url).name if "://" in archive_or_url else archive_or_url]
    gone = [held for name in names for held in wallet.logout(name, account)]
    return [_revoked(held) for held in gone]


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
    PermitError
        When the archive's permit is a cookie or certificate, not a token.
    PermitLifeError
        When no permit lives that long.
    VoAuthError
        When no permit can be had.
    """
    from .wallet import default_wallet

    archive, realm = _find(url)
    life = seconds_in(min_life) if min_life is not None else 0.0
    held = default_wallet().permit(_want(archive, account, realm=realm, min_life=life))
    permit = held.grant.permit
    if isinstance(permit, BearerPermit):
        return permit.token
    if isinstance(permit, HeaderPermit):
        return permit.value
    raise PermitError(f"The permit for {archive.title} is a {permit.kind}, not a token: use a session instead")


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
    write_protected(path, known.write(values, held.grant), what="The credentials file")


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


def _hidden(credentials: dict[str, str | Secret]) -> dict[str, str | Secret]:
    return {name: Secret(value) if isinstance(value, str) else value for name, value in credentials.items()}


def _is(want: Want, username: str) -> bool:
    return username in (want.account.label, want.account.username)


def _revoked(held: Held) -> LoggedOut:
    from .wallet import default_wallet

    note, revoked = "", False
    try:
        archive: Archive | None = default_registry().get(held.key.archive)
    except KeyError:
        archive = None
    if archive is not None:
        try:
            revoked = default_wallet().revoke(archive, held)
        except VoAuthError as error:
            note = str(error).partition("\n")[0]
        note = note or _still_set(archive)
    return LoggedOut(archive=held.key.archive, account=held.key.account, revoked=revoked, note=note)


def _still_set(archive: Archive) -> str:
    import os

    from .credentials.base import FIELDS

    names = (f"{archive.variable_prefix}{name.upper()}{end}" for name in FIELDS for end in ("", "_FILE"))
    found = [name for name in names if os.environ.get(name)]
    return f"{', '.join(found)} will log in again: unset it" if found else ""
