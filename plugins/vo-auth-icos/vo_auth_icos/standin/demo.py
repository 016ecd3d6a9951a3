"""The main job at ICOS, as ``vo-auth demo`` shows it: a file, a table, a cookie that dies, a licence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import vo_auth
from vo_auth.errors import LicenceRequiredError

from .people import PEOPLE
from .repository import ICOS

if TYPE_CHECKING:
    from vo_auth.demo import Demo

__all__ = ["show"]

_DATA = f"https://{ICOS.data}"


def show(demo: Demo) -> None:
    """Do it and show it.

    Parameters
    ----------
    demo
        Where to show it.
    """
    item = ICOS.named("ICOS_ATC_HTM_30")
    session = vo_auth.session_for(_DATA)
    demo.step("ICOS: download an object and some of its columns")
    answer = session.get(f"{_DATA}/objects/{item.id}")
    demo.check(f"{item.file_name}: {len(answer.content)} bytes", answer.content == item.content)
    table = session.get(
        f"{_DATA}/csv/{item.id}", params=[("col", "TIMESTAMP"), ("col", "co2"), ("limit", "3")]
    ).text.splitlines()
    demo.check(f"columns {table[0]}: {len(table) - 1} rows", table[0] == "TIMESTAMP,co2" and len(table) == 4)
    session.get(f"https://{ICOS.meta}/objects/{item.id}", headers={"Accept": "application/json"})
    seen = demo.sandbox.received.at(ICOS.meta)
    demo.check("metadata is asked without permit", bool(seen) and not any(entry.cookie for entry in seen))

    demo.step("ICOS: a dead cookie and an unaccepted licence are answered alike")
    demo.bench.knobs["signing_key"] = "rotated"
    answer = session.get(f"{_DATA}/objects/{item.id}")
    logins = demo.bench.counters["logins"]
    demo.check(f"the cookie died: renewed, {len(answer.content)} bytes, logins: {logins}", answer.ok and logins == 2)
    del demo.bench.knobs["signing_key"]
    newcomer = PEOPLE["newcomer"]
    with vo_auth.session_for(_DATA, username=newcomer.email, password=newcomer.password) as other:
        try:
            other.get(f"{_DATA}/objects/{item.id}")
        except LicenceRequiredError as error:
            said = str(error)
        else:
            said = ""
    demo.check("the licence is not accepted: an error says where, nothing is accepted", ICOS.auth in said)
    session.close()
