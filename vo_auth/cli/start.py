"""``vo-auth`` without a verb: what to do next."""

from __future__ import annotations

import typer

from ..errors import VoAuthError
from ..registry import default_registry

__all__ = ["say_what_is_next"]


def say_what_is_next() -> None:
    """Print the next step of somebody who has just installed vo_auth, or who has logged in."""
    for line in _lines():
        typer.echo(line)


def _lines() -> list[str]:
    names = [archive.name for archive, _ in default_registry().archives()]
    if not names:
        return [
            "vo_auth is here, but no archive's plugin is. Install one, for example:",
            "  pip install vo-auth-eso",
            "Then: vo-auth login eso",
        ]
    held = _held()
    if not held:
        return [
            "Log in once; pyvo, astroquery and requests then work with it:",
            f"  vo-auth login {names[0]}",
            f"Archives here: {', '.join(names)}",
            "",
            "In Python: session = vo_auth.session_for(url)",
            "Without an account, to see how it works: vo-auth demo",
            "All verbs: vo-auth --help",
        ]
    return [
        f"Logged in to: {', '.join(held)}",
        "",
        "What is held, and for how long:         vo-auth status",
        "What a request to a URL would be sent:  vo-auth explain URL",
        "When something does not work:           vo-auth doctor",
        "All verbs:                              vo-auth --help",
    ]


def _held() -> list[str]:
    from ..wallet import default_wallet

    try:
        return list(dict.fromkeys(held.key.archive for held in default_wallet().everything()))
    except VoAuthError as error:
        typer.echo(f"vo-auth: {error}", err=True)
        return []
