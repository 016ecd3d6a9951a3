"""Tokens of oidc-agent, which keeps logins for the command line as ssh-agent keeps keys.

One JSON object each way over the agent's socket (oidc-agent's documentation, "IPC-API"). Only tokens are asked for: a
password that the agent may want, it asks for itself.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from ..archive import Archive
from ..secret import Secret
from .base import Found, Passed, Wanted
from .discovered import judged, stripped, takes_tokens

__all__ = ["OidcAgentSource"]

_LIMIT = 64 * 1024
_SHORTEST = 60  # seconds that a token must hold at least; the archive's margin is often more


class OidcAgentSource:
    """A token of one of the archive's issuers, where ``OIDC_SOCK`` names the socket of an agent.

    An agent that does not answer, is locked, or has no login for the issuer is no error: the reason is said.
    """

    name = "oidc-agent"
    rank = 72
    PATIENCE: ClassVar[float] = 20.0  # seconds; the agent may have to ask the issuer

    def find(self, wanted: Wanted) -> Found | Passed | None:
        """Return the token that the agent gives for the first of the archive's issuers that it knows.

        Raises
        ------
        UnusableCredentialsError
            When what it gives is no token.
        """
        path, issuers = os.environ.get("OIDC_SOCK"), sorted(wanted.archive.token_issuers())
        if not path or not takes_tokens(wanted):
            return None
        if not issuers:
            return Passed(f"not used: {wanted.archive.title} names no issuer of tokens")
        passed: Passed | None = None
        for issuer in issuers:
            result = self._ask(wanted, path, issuer)
            if isinstance(result, Found):
                return result
            passed = passed or result
        return passed

    def looked_at(self, archive: Archive) -> str:
        """Say why the agent was not asked."""
        concerned = archive.token_issuers() and any("token" in flow.asks for flow in archive.flows)
        return "not set: OIDC_SOCK" if concerned else ""

    def _ask(self, wanted: Wanted, path: str, issuer: str) -> Found | Passed:
        token, answered, reason = _token(path, _request(wanted.archive, issuer), self.PATIENCE)
        if token is None:
            return Passed(f"{issuer}: {reason}")
        vouched = answered.rstrip("/") == issuer.rstrip("/")  # the agent drops or adds the last slash
        return judged(wanted, token, f"oidc-agent for {issuer}", vouched=vouched)


def _request(archive: Archive, issuer: str) -> dict[str, Any]:
    request: dict[str, Any] = {
        "request": "access_token",
        "issuer": issuer,
        "min_valid_period": max(int(archive.margin), _SHORTEST),
        "application_hint": "vo_auth",
    }
    names = dict.fromkeys(domain.audience[0] for domain in archive.domains if domain.audience)
    if archive.by_audience and names:
        request["audience"] = " ".join(names)
    return request


def _token(path: str, request: Mapping[str, Any], patience: float) -> tuple[Secret | None, str, str]:
    """Return a token and its issuer, or why there is none. It raises nothing: its frames hold the token."""
    try:
        answer = _exchange(path, json.dumps(request).encode(), patience)
    except (OSError, ValueError) as error:
        return None, "", f"the agent does not answer ({type(error).__name__})"
    try:
        content = json.loads(answer)
        if content.get("status") == "success":
            return stripped(content["access_token"]), str(content.get("issuer", "")), "the agent gives no token"
        return None, "", f"the agent says: {_plain(content['error'])}"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None, "", "the agent's answer makes no sense"


def _exchange(path: str, request: bytes, patience: float) -> bytes:
    """Send one request and return the answer.

    Raises
    ------
    OSError
        When there is no agent, or it does not answer in time.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise OSError("no such sockets here")
    end, answer = time.monotonic() + patience, b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(patience)
        connection.connect(path)
        connection.sendall(request)
        while len(answer) <= _LIMIT and not _is_whole(answer):
            connection.settimeout(max(end - time.monotonic(), 0.001))
            part = connection.recv(4096)
            if not part:
                break
            answer += part
    return answer


def _is_whole(answer: bytes) -> bool:
    """Say whether an answer is complete: the agent need not close the connection after it."""
    try:
        json.loads(answer)
    except ValueError:
        return False
    return True


def _plain(text: object) -> str:
    """Return a text of the agent's as a person may see it: short, and without control characters."""
    return "".join(character for character in str(text) if character.isprintable())[:200]
