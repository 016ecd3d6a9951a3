"""The wallet that sessions of this process share."""

from __future__ import annotations

import functools
import os
import threading
from pathlib import Path

from ..credentials import (
    CredentialSource,
    EnvironmentSource,
    KeyringSource,
    KnownFileSource,
    NetrcSource,
    OidcAgentSource,
    PlatformSource,
    PromptSource,
    WlcgSource,
)
from ..errors import ConfigurationError
from .vault import Vault, state_home
from .wallet import Wallet

__all__ = ["default_wallet"]

_GUARD = threading.Lock()


def default_wallet() -> Wallet:
    """Return the wallet that sessions of this process share.

    Returns
    -------
    Wallet
        The one at ``VO_AUTH_HOME`` (or the system's place for state); in memory alone with ``VO_AUTH_WALLET=memory``,
        in a plain file with ``VO_AUTH_WALLET=plain`` although there is a keyring.
        ``VO_AUTH_PATIENCE`` is the number of seconds to wait for a login endpoint that cannot be reached.

    Raises
    ------
    ConfigurationError
        When ``VO_AUTH_WALLET`` is something else.
    """
    mode = os.environ.get("VO_AUTH_WALLET", "")
    if mode not in ("", "memory", "plain"):
        raise ConfigurationError(f"VO_AUTH_WALLET is 'memory' or 'plain', or it is not set; not {mode!r}")
    home = None if mode == "memory" else state_home()
    with _GUARD:  # two threads that meet here first must not make a wallet each
        return _wallet_at(home, mode == "plain", float(os.environ.get("VO_AUTH_PATIENCE") or 600.0))


@functools.lru_cache(maxsize=4)
def _wallet_at(home: Path | None, plain: bool, patience: float) -> Wallet:
    from ..registry import default_registry

    ours: list[CredentialSource] = [
        EnvironmentSource(),
        KeyringSource(),
        KnownFileSource(),
        WlcgSource(),
        OidcAgentSource(),
        PlatformSource(),
        NetrcSource(),
        PromptSource(),
    ]
    sources = [*ours, *default_registry().credential_sources()]
    return Wallet(Vault(home, plain=plain) if home else None, sources, patience=patience)


def _renew_guard() -> None:
    global _GUARD  # noqa: PLW0603 - a thread of the parent process may have held it
    _GUARD = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_guard)
