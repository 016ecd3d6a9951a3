"""The wallet keeps permits, renews them, and remembers them across processes."""

from __future__ import annotations

from .accounts import Account
from .default import default_wallet
from .held import Held, Key, Want, margins
from .vault import Vault
from .waiting import wait_in_environment
from .wallet import Wallet

__all__ = ["Account", "Held", "Key", "Vault", "Wallet", "Want", "default_wallet", "margins", "wait_in_environment"]
