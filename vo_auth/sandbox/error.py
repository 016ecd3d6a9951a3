"""The sandbox's own error."""

from __future__ import annotations

from ..errors import VoAuthError

__all__ = ["SandboxError"]


class SandboxError(VoAuthError):
    """The sandbox cannot start as asked; the text says what to change."""
