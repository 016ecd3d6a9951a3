"""What tests of plugins, and of programs that use vo_auth, need."""

from __future__ import annotations

from .leaks import assert_no_secret

__all__ = ["assert_no_secret"]
