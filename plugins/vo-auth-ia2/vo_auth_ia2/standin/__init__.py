"""IA2's stand-in: small local servers that behave like RAP, TAP, the files and GMS, for tests and the demo.

>>> from vo_auth_ia2.standin import STANDIN
>>> STANDIN.hosts
('sso.ia2.inaf.it', 'archives.ia2.inaf.it', 'gms.ia2.inaf.it')
>>> list(STANDIN.credentials)
['observer', 'colleague', 'stranger', 'service', 'native']
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vo_auth.sandbox import Bench, StandIn

from .people import NATIVE_CLIENT, PEOPLE, SERVICE_CLIENT
from .places import HOSTS

if TYPE_CHECKING:
    from aiohttp import web

    from vo_auth.demo import Demo

__all__ = ["STANDIN", "make_app", "show_demo"]


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
    archive="ia2",
    hosts=HOSTS,
    credentials={
        **{
            role: {"username": person.username, "password": person.password}
            for role, person in PEOPLE.items()
            if person.password
        },
        "service": {"client_id": SERVICE_CLIENT.client_id, "client_secret": SERVICE_CLIENT.secret},
        "native": {"client_id": NATIVE_CLIENT.client_id},
    },
    app=make_app,
    demo=show_demo,
)
