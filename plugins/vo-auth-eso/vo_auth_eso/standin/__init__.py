"""ESO's stand-in: a small local server that behaves like the archive, for tests and the demo.

>>> from vo_auth_eso.standin import STANDIN
>>> STANDIN.hosts
('www.eso.org', 'archive.eso.org', 'dataportal.eso.org')
>>> list(STANDIN.credentials)
['pi', 'team', 'norights']
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vo_auth.sandbox import StandIn

from .app import HOSTS, make_app
from .observatory import (
    COMMISSIONING_RUN,
    CONFIDENTIAL_RUN,
    FOREIGN_RUN,
    PROPRIETARY_RUN,
    SEED_RUN,
    USERS,
)

if TYPE_CHECKING:
    from vo_auth.demo import Demo

__all__ = [
    "COMMISSIONING_RUN",
    "CONFIDENTIAL_RUN",
    "FOREIGN_RUN",
    "PROPRIETARY_RUN",
    "SEED_RUN",
    "STANDIN",
    "make_app",
]


def _demo(demo: Demo) -> None:
    from .demo import show  # pyvo is imported when the demo is shown

    show(demo)


STANDIN = StandIn(
    archive="eso",
    hosts=HOSTS,
    credentials={role: {"username": user.username, "password": user.password} for role, user in USERS.items()},
    app=make_app,
    demo=_demo,
)
