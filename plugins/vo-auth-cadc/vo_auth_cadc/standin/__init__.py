"""CADC's stand-in: a small local server that behaves like the archive, for tests and the demo.

>>> from vo_auth_cadc.standin import STANDIN
>>> STANDIN.hosts[0], list(STANDIN.credentials)
('ws.cadc-ccda.hia-iha.nrc-cnrc.gc.ca', ['pi', 'visitor', 'inactive'])
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vo_auth.sandbox import Bench, StandIn

from .observations import OBSERVATIONS
from .people import PEOPLE
from .places import HOSTS

if TYPE_CHECKING:
    from aiohttp import web

    from vo_auth.demo import Demo
    from vo_auth.sandbox import Authority

__all__ = ["OBSERVATIONS", "PEOPLE", "STANDIN", "make_app", "make_certificate", "make_token", "show_demo"]


def make_app(bench: Bench) -> web.Application:
    """Make the application for one sandbox; the web server is imported only now.

    Parameters
    ----------
    bench
        Its knobs and counters are listed in this distribution's README.

    Returns
    -------
    web.Application
        Answers for all host names of the archive.
    """
    from . import app

    return app.make_app(bench)


def make_certificate(authority: Authority, role: str = "pi", *, life: float = 10 * 86400.0) -> str:
    """Make a client certificate as a person got it from the archive before.

    Parameters
    ----------
    authority
        The sandbox's.
    role
        Whose.
    life
        Seconds until its end; a negative number for one that has ended.

    Returns
    -------
    str
        PEM: certificate, key, chain.
    """
    import time

    from .certificates import issue_certificate

    end = time.time() + life
    return issue_certificate(authority, PEOPLE[role].distinguished_name, start=min(time.time(), end) - 3600, end=end)


def make_token(role: str = "pi", *, life: float = 48 * 3600.0, domains: tuple[str, ...] | None = None) -> str:
    """Make a token as a person got it from the archive before.

    Parameters
    ----------
    role
        Whose.
    life
        Seconds until its end; a negative number for one that has ended.
    domains
        Where it may go; None for all that the archive lists.

    Returns
    -------
    str
        Base64.
    """
    import time

    from .tokens import DOMAINS, TokenSigner

    end = time.time() + life
    return TokenSigner.named().issue(PEOPLE[role], end=end, domains=DOMAINS if domains is None else domains)


def show_demo(demo: Demo) -> None:
    """Do the main job and show it; pyvo is imported only now.

    Parameters
    ----------
    demo
        Where to show it.
    """
    from .demo import show

    show(demo)


STANDIN = StandIn(
    archive="cadc",
    hosts=HOSTS,
    credentials={role: {"username": person.username, "password": person.password} for role, person in PEOPLE.items()},
    app=make_app,
    demo=show_demo,
)
