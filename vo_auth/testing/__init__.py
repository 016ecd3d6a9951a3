"""What tests of plugins, and of programs that use vo_auth, need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .leaks import assert_no_secret

if TYPE_CHECKING:
    from .contract import PluginContract

__all__ = ["PluginContract", "assert_no_secret"]


def __getattr__(name: str) -> Any:
    """Import the contract when it is asked for: it needs pytest."""
    if name == "PluginContract":
        from .contract import PluginContract

        return PluginContract
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
