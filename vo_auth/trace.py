"""``VO_AUTH_DEBUG=1``: each decision, in one line on standard error, without secrets.

The lines are written by the loggers below ``vo_auth``; programs that have logging of their own see them there, too.
"""

from __future__ import annotations

import logging
import os
import re
import sys

__all__ = ["is_asked", "trace_if_asked"]

_LOG = logging.getLogger("vo_auth")
# What might be a secret in a text that another program wrote.
_URL_SECRETS = re.compile(r"(?<=://)[^\s/@]+@|\?[^\s'\"]+")


class _Redacted(logging.Formatter):
    """One line for a record, and no traceback: its frames would be a way out for what they hold."""

    def format(self, record: logging.LogRecord) -> str:
        text = _URL_SECRETS.sub("***", record.getMessage()).replace("\n", " | ")
        return f"{record.name}: {text}"


class _OnStandardError(logging.StreamHandler):  # type: ignore[type-arg]  # of whatever standard error is just now
    """Write to what standard error is at that time: programs and tests replace it."""

    def emit(self, record: logging.LogRecord) -> None:
        self.setStream(sys.stderr)
        super().emit(record)


def is_asked() -> bool:
    """Return whether the environment asks for a trace."""
    return os.environ.get("VO_AUTH_DEBUG", "") not in ("", "0")


def trace_if_asked() -> None:
    """Let the loggers of vo_auth write to standard error, where the environment asks for it; twice changes nothing."""
    if not is_asked() or any(isinstance(handler, _OnStandardError) for handler in _LOG.handlers):
        return
    handler = _OnStandardError()
    handler.setFormatter(_Redacted())
    _LOG.addHandler(handler)
    _LOG.setLevel(logging.DEBUG)
