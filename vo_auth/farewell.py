"""Log out: forget and revoke, leave nothing behind, and say what would log in again."""

from __future__ import annotations

import datetime
import os
import warnings
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from .archive import Archive
from .credentials import CredentialChain, CredentialSource
from .errors import VoAuthError, WalletError, WalletWarning
from .holdings import moment
from .lookup import find_archive
from .registry import default_registry
from .written import Written, archives_written, take_written

if TYPE_CHECKING:
    from .wallet import Held, Wallet

__all__ = ["LoggedOut", "logout"]

# Sources that are gone after a logout, or are a person.
_NOT_LASTING = frozenset({"arguments", "kept password", "prompt", "this process"})


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
    until
        The end of a permit that was not revoked; None where it was, or where its end is not known.
    removed
        Files that vo_auth had written for other programs, and that were removed.
    again
        Where credentials still are that will log in again.
    """

    archive: str
    account: str
    revoked: bool
    note: str = ""
    until: datetime.datetime | None = None
    removed: tuple[str, ...] = ()
    again: tuple[str, ...] = ()


def logout(archive_or_url: str | None = None, *, account: str | None = None, purge: bool = False) -> list[LoggedOut]:
    """Forget permits, and revoke them where the archive can.

    What vo_auth has made goes with them: passwords that it keeps, in the keyring or in its file; cookies that sessions
    of this process keep; and files that it wrote for other programs, unless those have written to them since.

    Parameters
    ----------
    archive_or_url
        The archive's name or a URL of it; None: every archive.
    account
        Only this account; None: every one.
    purge
        Also remove files that vo_auth wrote and others have changed since, and, where every archive is logged out,
        the wallet's own files and the key to them: also where they cannot be opened any more.

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
    if archive_or_url is not None:
        name = find_archive(archive_or_url).name if "://" in archive_or_url else archive_or_url
        return _leave(wallet, name, account, purge=purge)
    if purge and account is None:
        return _leave_all(wallet)
    return [result for name in _all_names(wallet) for result in _leave(wallet, name, account, purge=purge)]


def _leave_all(wallet: Wallet) -> list[LoggedOut]:
    """Log out everywhere and remove the wallet, also one that cannot be opened any more."""
    gone: list[LoggedOut] = []
    try:
        gone = [result for name in _all_names(wallet) for result in _leave(wallet, name, None, purge=True)]
    except WalletError as error:
        text = f"{error}. It is removed all the same; what was in it could not be revoked"
        warnings.warn(text, WalletWarning, stacklevel=3)
    wallet.destroy(archive.name for archive, _ in default_registry().archives())
    return gone


def _all_names(wallet: Wallet) -> list[str]:
    installed = (archive.name for archive, _ in default_registry().archives())
    return sorted({*(held.key.archive for held in wallet.everything()), *archives_written(), *installed})


def _leave(wallet: Wallet, name: str, account: str | None, *, purge: bool) -> list[LoggedOut]:
    gone = wallet.logout(name, account)
    _forget_cookies(name, account)
    archive = _installed(name)
    removed = {label: _without_files(name, label, purge=purge) for label in _labels(gone, account)}
    if account is None:  # also what was made for accounts of which no permit is held
        removed.setdefault(next(iter(removed), ""), []).extend(_without_files(name, None, purge=purge))
    again = _again(wallet, archive, account) if archive else ()
    accounts = {label: list(held) for label, held in groupby(gone, key=lambda held: held.key.account)}
    return [
        _left(wallet, archive, name, label, accounts.get(label, []), removed=tuple(things), again=again)
        for label, things in removed.items()
        if label in accounts or things
    ]


def _labels(gone: Iterable[Held], account: str | None) -> list[str]:
    labels = dict.fromkeys(held.key.account for held in gone)
    return list(labels) if account is None else list({**labels, account: None})


def _installed(name: str) -> Archive | None:
    with suppress(KeyError, VoAuthError):
        return default_registry().get(name)
    return None


def _left(
    wallet: Wallet,
    archive: Archive | None,
    name: str,
    account: str,
    gone: list[Held],
    *,
    removed: tuple[str, ...],
    again: tuple[str, ...],
) -> LoggedOut:
    notes, revoked, ends = [], bool(gone), []
    for held in gone:
        done = False
        try:
            done = archive is not None and wallet.revoke(archive, held)
        except VoAuthError as error:
            notes.append(str(error).partition("\n")[0])
        if not done:
            revoked = False
            ends.append(held.grant.expires)
    if archive is None and gone:
        notes.append(f"no installed plugin knows {name}, so nothing was revoked")
    if again:
        notes.append(f"{'; '.join(again)} will log in again: remove what is there, or unset it")
    known = [end for end in ends if end is not None]
    return LoggedOut(
        archive=name,
        account=account,
        revoked=revoked,
        note="; ".join(dict.fromkeys(notes)),
        until=moment(max(known)) if known and len(known) == len(ends) else None,
        removed=removed,
        again=again,
    )


# -------------------------------------------------------------------- what vo_auth made


def _forget_cookies(archive: str, account: str | None) -> None:
    from .edge import forget_cookies

    forget_cookies(archive, account)


def _without_files(archive: str, account: str | None, *, purge: bool) -> list[str]:
    """Delete the files that we wrote for an archive; return what they were."""
    return [text for item in take_written(archive, account) if (text := _without(item, purge=purge))]


def _without(item: Written, *, purge: bool) -> str:
    if not os.path.lexists(item.path):
        return ""
    if not item.is_unchanged and not purge:
        return ""  # another program has made it its own; it is among the sources that log in again
    with suppress(OSError):
        os.unlink(item.path)
        return item.path
    return ""


# -------------------------------------------------------------------- what will log in again


def _again(wallet: Wallet, archive: Archive, label: str | None) -> tuple[str, ...]:
    """Return every place that still has what a login needs, each asked alone."""
    places = [_place(wallet, archive, label, source) for source in wallet.sources if source.name not in _NOT_LASTING]
    return tuple(dict.fromkeys(place for place in places if place))


def _place(wallet: Wallet, archive: Archive, label: str | None, source: CredentialSource) -> str:
    required = {name for name, mode in archive.sources.items() if mode == "require"}
    if required and source.name not in required:
        return ""  # it is not asked, whatever it has
    mode = {source.name: archive.sources[source.name]} if source.name in archive.sources else {}
    try:
        account = wallet.account(archive, label)
        chosen = CredentialChain([source]).choose(
            replace(archive, sources=mode, flows=archive.flows_of(account.label)),
            account=account.label,
            username=account.username,
            is_default=account.is_default,
            interactive=False,
        )
    except VoAuthError:
        return ""
    return chosen.origin
