"""ESO's stand-in: a small local server that behaves like the archive, for tests and the demo.

>>> from vo_auth_eso.standin import STANDIN
>>> STANDIN.hosts
('www.eso.org', 'archive.eso.org', 'dataportal.eso.org')
>>> list(STANDIN.credentials)
['pi', 'team', 'norights']
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vo_auth.sandbox import Bench, StandIn

from .observatory import (
    COMMISSIONING_RUN,
    CONFIDENTIAL_RUN,
    FOREIGN_RUN,
    HOSTS,
    PROPRIETARY_RUN,
    SEED_RUN,
    USERS,
)

if TYPE_CHECKING:
    from aiohttp import web

    from vo_auth.demo import Demo

__all__ = [
    "COMMISSIONING_RUN",
    "CONFIDENTIAL_RUN",
    "FOREIGN_RUN",
    "PROPRIETARY_RUN",
    "SEED_RUN",
    "STANDIN",
    "make_app",
    "show_demo",
]


def make_app(bench: Bench) -> web.Application:
    """Make the application for one sandbox; the web server and astropy are imported only now.

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
    archive="eso",
    hosts=HOSTS,
    credentials={role: {"username": user.username, "password": user.password} for role, user in USERS.items()},
    app=make_app,
    demo=show_demo,
)
