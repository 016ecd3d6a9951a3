"""What can go wrong, drawn as a tree.

::

    requests.RequestException
    └── VoAuthError
        ├── InsecureUrlError            a permit was due on plain http
        ├── InsecureTransportError      a permit was due on a connection that is not verified
        ├── PluginError
        │   ├── PluginNotInstalledError a known archive without its plugin
        │   └── PluginClashError        two distributions claim one domain or one name
        ├── CredentialsError
        │   ├── CredentialsNotFoundError
        │   ├── UnusableCredentialsError
        │   ├── CredentialsRejectedError
        │   │   ├── AccountLockedError  whoever tries again makes it worse
        │   │   ├── SecondFactorError   the password alone is not enough
        │   │   └── NotEntitledError    the account may not log in here
        │   └── PromptCancelledError
        ├── LoginError
        │   ├── LoginUnreachableError   no network, or a server in trouble: worth another try
        │   │   ├── LoginProxyError     the proxy does not let it through
        │   │   └── LoginCertificateError the server's certificate is not trusted
        │   │       └── ClockError      by this machine's clock it is not valid
        │   ├── LoginAnswerError        an answer that is not what the flow expects, or a redirect
        │   └── LoginInProgressError    another process waits for a person
        ├── PermitError
        │   ├── PermitExpiredError
        │   ├── PermitLifeError         it would end before ``min_life``
        │   ├── PermitDomainError       the permit itself excludes this URL
        │   └── PermitKindError         a token was wanted where the permit is something else
        ├── AnswerError
        │   ├── LoginPageError
        │   ├── LicenceRequiredError
        │   ├── AddressBlockedError     this machine's network address is refused
        │   └── IdentityUnknownError    it does not say whose permit it was sent
        ├── GroupsError
        │   ├── GroupsServiceUnknownError no group membership service is known, or it is outside the archive
        │   ├── GroupsRefusedError      it does not accept the permit
        │   ├── GroupsUserUnknownError  it accepts the permit, and knows no such user
        │   ├── GroupsUnavailableError  it is in trouble: worth another try
        │   └── GroupsAnswerError       its answer is no list of names
        ├── AttachError                 an object whose requests cannot be guarded
        ├── BodyNotReplayableError
        ├── DownloadError               some files of a download could not be had
        ├── TransferError               one file could not be had
        ├── WalletError                 the wallet's file cannot be used
        ├── ConfigurationError          the user's configuration file cannot be used
        └── MissingDependencyError      a package that this feature needs is absent

    UserWarning
    └── VoAuthWarning
        ├── InsecureOriginWarning       a permit goes over plain http, as the user's own configuration wants
        ├── AnonymousWarning            a request went without a permit where one was conceivable
        ├── RefusedWarning              the archive refused a good permit: it is about rights
        │   └── NotEntitledWarning      it knows the account, which has no right to this
        ├── CallerHeaderWarning         the caller's own Authorization header was left in place
        ├── DownloadWarning             something about a download that a user should know
        ├── RenewalWarning              a renewal failed and will be tried again
        ├── PermitEndWarning            a permit will end, and nothing at hand renews it
        ├── WalletWarning               something about the wallet's file
        └── PluginWarning               a plugin was left out

All errors are plain ``requests.RequestException`` so that pyvo and astroquery treat them as they treat any failed
request; never ``HTTPError`` without a response and never ``ConnectionError``, whose texts pyvo replaces. The first
line of each says what was tried and what to do next. No text ever holds a secret.
"""

from __future__ import annotations

from typing import Any

from requests import RequestException

__all__ = [
    "AccountLockedError",
    "AddressBlockedError",
    "AnonymousWarning",
    "AnswerError",
    "AttachError",
    "BodyNotReplayableError",
    "CallerHeaderWarning",
    "ClockError",
    "ConfigurationError",
    "CredentialsError",
    "CredentialsNotFoundError",
    "CredentialsRejectedError",
    "DownloadError",
    "DownloadWarning",
    "GroupsAnswerError",
    "GroupsError",
    "GroupsRefusedError",
    "GroupsServiceUnknownError",
    "GroupsUnavailableError",
    "GroupsUserUnknownError",
    "IdentityUnknownError",
    "InsecureOriginWarning",
    "InsecureTransportError",
    "InsecureUrlError",
    "LicenceRequiredError",
    "LoginAnswerError",
    "LoginCertificateError",
    "LoginError",
    "LoginInProgressError",
    "LoginPageError",
    "LoginProxyError",
    "LoginUnreachableError",
    "MissingDependencyError",
    "NotEntitledError",
    "NotEntitledWarning",
    "PermitDomainError",
    "PermitEndWarning",
    "PermitError",
    "PermitExpiredError",
    "PermitKindError",
    "PermitLifeError",
    "PluginClashError",
    "PluginError",
    "PluginNotInstalledError",
    "PluginWarning",
    "PromptCancelledError",
    "RefusedWarning",
    "RenewalWarning",
    "SecondFactorError",
    "TransferError",
    "UnusableCredentialsError",
    "VoAuthError",
    "VoAuthWarning",
    "WalletError",
    "WalletWarning",
]


class VoAuthError(RequestException):
    """Any failure of vo_auth; catch this to catch them all."""


class InsecureUrlError(VoAuthError):
    """A permit was due on plain http, where anyone on the way could read it.

    Parameters
    ----------
    message
        What to do, in one line.
    https_url
        The URL to try instead, without userinfo.
    **options
        As for ``requests.RequestException``.
    """

    def __init__(self, message: str, *, https_url: str = "", **options: Any) -> None:
        super().__init__(message, **options)
        self.https_url = https_url


class InsecureTransportError(VoAuthError):
    """A permit was due on a connection whose server is not verified (``verify=False``)."""


class PluginError(VoAuthError):
    """Something about the installed plugins."""


class PluginNotInstalledError(PluginError):
    """The URL belongs to an archive whose plugin exists but is not installed."""


class PluginClashError(PluginError):
    """Two distributions claim the same domain or the same archive name."""


class CredentialsError(VoAuthError):
    """Something about the credentials."""


class CredentialsNotFoundError(CredentialsError):
    """No source had credentials; the text names each one that was asked and why it had none.

    Parameters
    ----------
    message
        What to do, in one line; then each source.
    attempts
        The sources in the order in which they were asked: pairs of name and outcome.
    **options
        As for ``requests.RequestException``.
    """

    def __init__(self, message: str, *, attempts: tuple[tuple[str, str], ...] = (), **options: Any) -> None:
        super().__init__(message, **options)
        self.attempts = attempts


class UnusableCredentialsError(CredentialsError):
    """Credentials are there but cannot be used: malformed, unreadable or loosely protected."""


class CredentialsRejectedError(CredentialsError):
    """The archive did not accept the credentials; the same ones are not sent again for a while."""


class AccountLockedError(CredentialsRejectedError):
    """The archive has locked the account; every further attempt makes that worse."""


class SecondFactorError(CredentialsRejectedError):
    """The archive wants a second factor beside the password, which only a person can give."""


class NotEntitledError(CredentialsRejectedError):
    """The archive knows the account, which may not log in to this service."""


class PromptCancelledError(CredentialsError):
    """The person who was asked declined; not asked again in this process except by ``login()``."""


class LoginError(VoAuthError):
    """A login did not come to an end."""


class LoginUnreachableError(LoginError):
    """The login endpoint could not be reached, or the server behind it was in trouble.

    Parameters
    ----------
    message
        What to do, in one line.
    retry_after
        Seconds that the server asked to wait, where it did.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class LoginProxyError(LoginUnreachableError):
    """The proxy between this machine and the login endpoint does not let the login through."""


class LoginCertificateError(LoginUnreachableError):
    """The certificate of the login endpoint is not trusted: somebody is in between, or an authority is missing here."""


class ClockError(LoginCertificateError):
    """The certificate of the login endpoint is not valid at the time that this machine's clock says."""


class LoginAnswerError(LoginError):
    """The login endpoint answered something that this flow does not expect, a redirect included."""


class LoginInProgressError(LoginError):
    """Another process or thread is in the middle of the same login and waits for a person."""


class PermitError(VoAuthError):
    """Something about the permit itself."""


class PermitExpiredError(PermitError):
    """The permit has ended and nothing at hand can renew it.

    Parameters
    ----------
    message
        What to do, in one line.
    attempts
        The sources that were asked for another one: pairs of name and outcome.
    **options
        As for ``requests.RequestException``.
    """

    def __init__(self, message: str, *, attempts: tuple[tuple[str, str], ...] = (), **options: Any) -> None:
        super().__init__(message, **options)
        self.attempts = attempts


class PermitLifeError(PermitError):
    """No permit can be had that lives as long as ``min_life`` asks."""


class PermitDomainError(PermitError):
    """The permit's own list of domains or audiences excludes this URL."""


class PermitKindError(PermitError):
    """A token was asked for where the archive's permit is a cookie, a certificate or a password.

    Parameters
    ----------
    message
        What to do, in one line.
    kind
        What the permit is.
    **options
        As for ``requests.RequestException``.
    """

    def __init__(self, message: str, *, kind: str = "", **options: Any) -> None:
        super().__init__(message, **options)
        self.kind = kind


class AnswerError(VoAuthError):
    """The archive answered something that is not data."""


class LoginPageError(AnswerError):
    """A login page stands where data was due."""


class LicenceRequiredError(AnswerError):
    """A licence page stands where data was due; accepting it is the user's own legal act.

    Parameters
    ----------
    message
        What to do, in one line.
    licence_url
        The licence, to read.
    **options
        As for ``requests.RequestException``.
    """

    def __init__(self, message: str, *, licence_url: str = "", **options: Any) -> None:
        super().__init__(message, **options)
        self.licence_url = licence_url


class AddressBlockedError(AnswerError):
    """The archive refuses this machine's network address, whoever logs in from it."""


class IdentityUnknownError(AnswerError):
    """The archive does not say whose permit it was sent, or refuses it."""


class GroupsError(VoAuthError):
    """The groups of a caller could not be learned."""


class GroupsServiceUnknownError(GroupsError):
    """No group membership service is known for the archive, or it is not inside the archive's domains."""


class GroupsRefusedError(GroupsError):
    """The group membership service does not accept the permit."""


class GroupsUserUnknownError(GroupsError):
    """The group membership service accepts the permit, but knows no such user, or does not let it ask."""


class GroupsUnavailableError(GroupsError):
    """The group membership service is in trouble.

    Parameters
    ----------
    message
        What to do, in one line.
    retry_after
        Seconds that the service asked to wait, where it did.
    **options
        As for ``requests.RequestException``.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, **options: Any) -> None:
        super().__init__(message, **options)
        self.retry_after = retry_after


class GroupsAnswerError(GroupsError):
    """The group membership service answered something that is no list of group names."""


class AttachError(VoAuthError):
    """An object's requests do not all pass through a session of ``requests``, or are guarded otherwise already."""


class BodyNotReplayableError(VoAuthError):
    """The permit was refused after a body had been sent that cannot be sent a second time."""


class DownloadError(VoAuthError):
    """Some files could not be had (``failed``: each with ``url``, ``error`` and ``reason``); the others are there."""

    downloaded: tuple[Any, ...] = ()
    failed: tuple[Any, ...] = ()


class TransferError(VoAuthError):
    """One file could not be had: its status, length, digest or name, or the disk; no file is left in its place."""


class WalletError(VoAuthError):
    """The wallet's file cannot be used safely."""


class ConfigurationError(VoAuthError):
    """The user's configuration file cannot be used."""


class MissingDependencyError(VoAuthError):
    """A package that this feature needs is not installed; the text has the pip line."""


class VoAuthWarning(UserWarning):
    """Any warning of vo_auth."""


class InsecureOriginWarning(VoAuthWarning):
    """A permit goes over plain http, because the user's own configuration names that origin as insecure."""


class AnonymousWarning(VoAuthWarning):
    """A request went without a permit although one was conceivable."""


class RefusedWarning(VoAuthWarning):
    """A good permit was refused: the account is not entitled, or the permit was revoked."""


class NotEntitledWarning(RefusedWarning):
    """The archive knows the account, which has no right to what was asked for; another login would not help."""


class CallerHeaderWarning(VoAuthWarning):
    """The caller's own Authorization header was left in place."""


class DownloadWarning(VoAuthWarning):
    """Something about a download that a user should know."""


class RenewalWarning(VoAuthWarning):
    """A renewal failed; the permit still holds and the renewal will be tried again."""


class PermitEndWarning(VoAuthWarning):
    """A permit will end, and nothing at hand renews it: work that takes longer stops then."""


class WalletWarning(VoAuthWarning):
    """Something about the wallet's file that a user should know."""


class PluginWarning(VoAuthWarning):
    """A plugin, or one of its hooks, was left out."""
