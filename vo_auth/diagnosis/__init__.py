"""What may be wrong on this machine: each finding in one line, safe to paste."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from ..errors import VoAuthError
from . import installed, network, places
from .finding import Finding, Redactor

__all__ = ["Finding", "diagnose"]

Check = Callable[[], Iterable[Finding]]


def diagnose(*, ask: bool = False) -> list[Finding]:
    """Look at everything that logins and requests depend on.

    Parameters
    ----------
    ask
        Also ask one page of each archive, without a permit; False: nothing is sent.

    Returns
    -------
    list of Finding
        In the order of the checks; without any secret.
    """
    redactor = Redactor()
    return [redactor.finding(finding) for check in _checks(ask=ask) for finding in _run(check)]


def _checks(*, ask: bool) -> tuple[tuple[str, Check], ...]:
    return (
        ("versions", installed.versions),
        ("configuration", installed.configuration),
        ("plugins", installed.plugins),
        ("variables", installed.variables),
        ("files", places.files),  # before the wallet is opened, which closes what is open
        ("keyring", places.keyring),
        ("wallet", places.wallet),
        ("netrc", places.netrc_entries),
        ("proxy", network.proxy),
        ("authorities", network.authorities),
        ("loopback", network.loopback),
        ("servers", partial(network.servers, ask=ask)),
    )


def _run(check: tuple[str, Check]) -> Iterator[Finding]:
    """Run one check; one that fails says so, and the others go on."""
    name, run = check
    try:
        yield from run()
    except VoAuthError as error:
        text = str(error).partition("\n")[0]
        yield Finding(check=name, level="problem", text=text, fix="correct this first, then run doctor again")
    except Exception as error:
        text = f"this check failed itself ({type(error).__name__})"
        yield Finding(check=name, level="problem", text=text, fix="report it to vo_auth's authors")
