"""icoscp_core's data clients, and those of the older icoscp, on our wallet.

>>> from icoscp_core.icos import bootstrap  # doctest: +SKIP
>>> from vo_auth.integrations.icoscp import WalletAuth
>>> data = bootstrap.fromAuthProvider(WalletAuth())  # doctest: +SKIP
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime

from icoscp_core.auth import AuthToken, AuthTokenProvider, parse_auth_token

from ..archive import Archive
from ..errors import PermitError, PluginNotInstalledError
from ..permit import CookiePermit
from ..registry import default_registry

__all__ = ["WalletAuth"]


class WalletAuth(AuthTokenProvider):
    """Give icoscp_core a cookie that is valid now; nothing is looked up before it asks.

    Parameters
    ----------
    archive
        ``icos``, which serves ICOS Cities as well, or ``sites``.
    account
        The label of the account; None: the archive's default account.
    interactive
        Whether a person may be asked: True, False, or None to look for a terminal or notebook. Where the portal's
        data is read from files (``PORTAL_DATA_PATH_…`` is set), None asks nobody: icoscp_core then wants the cookie
        only to report what was read, which it does without as well.

    Examples
    --------
    >>> WalletAuth("icos")
    <WalletAuth for icos>
    """

    def __init__(self, archive: str = "icos", *, account: str | None = None, interactive: bool | None = None) -> None:
        self._archive = archive
        self._account = account
        self._interactive = interactive

    def get_token(self) -> AuthToken:
        """Return the cookie with its name, as icoscp_core sends it.

        Returns
        -------
        AuthToken
            Its end is told in this machine's local time, as icoscp_core counts.

        Raises
        ------
        VoAuthError
            When no permit can be had, or it is no cookie.
        """
        from ..wallet import Want, default_wallet

        archive, wallet = _find(self._archive), default_wallet()
        interactive = False if self._interactive is None and _reads_files() else self._interactive
        want = Want(archive=archive, account=wallet.account(archive, self._account), interactive=interactive)
        grant = wallet.permit(want).grant
        if not isinstance(grant.permit, CookiePermit):
            raise PermitError(f"The permit for {archive.title} is a {grant.permit.kind}; icoscp_core needs a cookie")
        cookie = f"{grant.permit.name}={grant.permit.value.reveal()}"
        end = datetime.max if grant.expires is None else datetime.fromtimestamp(grant.expires)
        token = AuthToken(grant.identity, "Password", end, cookie)
        with suppress(Exception):  # the layout of earlier years; it raises whatever comes
            token = parse_auth_token(cookie)
        return _Token(token.user_id, token.auth_source, token.expiry_time, cookie)

    def __repr__(self) -> str:
        return f"<WalletAuth for {self._archive}>"


class _Token(AuthToken):
    """A token that does not show itself."""

    def __repr__(self) -> str:
        return f"<AuthToken until {self.expiry_time:%Y-%m-%d %H:%M}>"


def _reads_files() -> bool:
    return any(value for name, value in os.environ.items() if name.startswith("PORTAL_DATA_PATH_"))


def _find(name: str) -> Archive:
    try:
        return default_registry().get(name)
    except KeyError:
        raise PluginNotInstalledError(f"No installed plugin knows {name!r}: pip install vo-auth-icos") from None
