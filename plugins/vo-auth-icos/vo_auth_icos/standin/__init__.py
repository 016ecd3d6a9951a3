"""Stand-ins of ICOS Carbon Portal (with ICOS Cities) and SITES, for tests and the demo.

>>> from vo_auth_icos.standin import ICOS_STANDIN
>>> ICOS_STANDIN.hosts[0], list(ICOS_STANDIN.credentials)
('cpauth.icos-cp.eu', ['member', 'newcomer'])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from vo_auth.sandbox import Bench, StandIn

from .people import PEOPLE, UNIVERSITY_USER
from .repository import ICOS, REPOSITORIES, SITES, Repository

if TYPE_CHECKING:
    from aiohttp import web

    from vo_auth.demo import Demo

__all__ = ["ICOS_STANDIN", "PEOPLE", "SITES_STANDIN", "STANDINS", "UNIVERSITY_USER", "make_cookie"]


def make_cookie(archive: str = "icos", email: str = UNIVERSITY_USER, *, source: str = "Saml", life: float = 1e5) -> str:
    """Make a cookie's value as the My Account page shows it after a login by whatever means.

    Parameters
    ----------
    archive
        ``icos`` or ``sites``.
    email, source
        Who logged in, and how.
    life
        Seconds until its end; a negative number for one that has ended.

    Returns
    -------
    str
        Base64, without the cookie's name.
    """
    import time

    from .signing import Signer

    return Signer.of(archive).issue(email, source, end=time.time() + life)


def _maker(archive: str) -> Callable[[Bench], web.Application]:
    def make(bench: Bench) -> web.Application:
        from . import app  # the web server is imported only now

        return app.make_app(bench, [item for item in REPOSITORIES if item.archive == archive])

    return make


def _show(demo: Demo) -> None:
    from .demo import show

    show(demo)


def _standin(first: Repository) -> StandIn:
    served = [item for item in REPOSITORIES if item.archive == first.archive]
    return StandIn(
        archive=first.archive,
        hosts=tuple(dict.fromkeys(host for item in served for host in (item.auth, item.meta, item.data))),
        credentials={
            role: {"username": person.email, "password": person.password}
            for role, person in PEOPLE.items()
            if person.password
        },
        app=_maker(first.archive),
        demo=_show if first is ICOS else None,
    )


ICOS_STANDIN = _standin(ICOS)
SITES_STANDIN = _standin(SITES)
STANDINS = (ICOS_STANDIN, SITES_STANDIN)
