"""What to say, and which error to raise, when an archive has told what is wrong."""

from __future__ import annotations

from .archive import Archive
from .errors import (
    AccountLockedError,
    AddressBlockedError,
    CredentialsRejectedError,
    LicenceRequiredError,
    LoginAnswerError,
    LoginUnreachableError,
    NotEntitledError,
    SecondFactorError,
    VoAuthError,
)
from .login_client import LoginAnswer
from .telling import Trouble, find_trouble

__all__ = ["blocked", "login_trouble"]

# Errors of flows that an archive's own words can make more exact; all others say already what they mean.
_VAGUE = (CredentialsRejectedError, LoginAnswerError, LoginUnreachableError)


def login_trouble(archive: Archive, answer: LoginAnswer | None, error: VoAuthError) -> VoAuthError:
    """Return the error that fits what a login endpoint told, else the one that the flow raised.

    Parameters
    ----------
    archive
        Whose login it was; it knows the signs.
    answer
        The last answer; None: there was none.
    error
        What the flow raised.

    Returns
    -------
    VoAuthError
        With a remedy, and the archive's own page where a person has to act.
    """
    if answer is None or not isinstance(error, _VAGUE):
        return error
    trouble = find_trouble(archive.told, "login", answer.status, answer.body)
    return error if trouble is None else _error_for(trouble, archive, answer.status)


def _error_for(trouble: Trouble, archive: Archive, status: int) -> VoAuthError:
    pages, title = archive.pages, archive.title
    again = f"then run: vo-auth login {archive.name}"
    match trouble:
        case Trouble.LOCKED:
            where = _at(pages.account or pages.register, "ask the archive to unlock it")
            return AccountLockedError(
                f"{title} has locked the account (status {status}); nothing is sent again: unlock it{where}, {again}"
            )
        case Trouble.SECOND_FACTOR:
            return SecondFactorError(
                f"{title} wants a second factor beside the password (status {status}): {_with_a_person(archive)}"
            )
        case Trouble.NOT_ENTITLED:
            where = _at(pages.rights, "ask the archive")
            return NotEntitledError(
                f"{title} knows the account, but it may not log in here (status {status}); "
                f"no other password helps: ask for the right{where}"
            )
        case Trouble.LICENCE:
            page = pages.profile or pages.licence
            return LicenceRequiredError(
                f"{title} wants its licence or terms accepted before the account can log in (status {status}): "
                f"only you can do so{_at(page, 'on its page')}, {again}",
                licence_url=pages.licence,
            )
        case Trouble.BLOCKED:
            return blocked(archive, status)
        case Trouble.PASSWORD:
            where = f" (forgotten? {pages.account})" if pages.account else ""
            return CredentialsRejectedError(
                f"{title} did not accept the credentials (status {status}); check them{where}, {again}"
            )


def blocked(archive: Archive, status: int) -> AddressBlockedError:
    """Return the error for an archive that refuses this machine's network address.

    Parameters
    ----------
    archive, status
        The archive, and the status of its answer.
    """
    page = archive.pages.rights or archive.pages.register
    return AddressBlockedError(
        f"{archive.title} blocks the network address of this machine (status {status}); no other password helps: "
        f"wait, use another network, or write to the archive{f' ({page})' if page else ''}"
    )


def _at(page: str, otherwise: str) -> str:
    return f" at {page}" if page else f" ({otherwise})"


def _with_a_person(archive: Archive) -> str:
    """Name the way that a person can take."""
    for flow in archive.flows:
        if getattr(flow, "attended", False):
            return f'log in with a browser: vo-auth login {archive.name} --flow "{flow.name}"'
    if archive.without_password:
        return archive.without_password.removeprefix("No password there? ")
    return f"a login that needs a person is not known for it; see {archive.pages.account or 'its pages'}"
