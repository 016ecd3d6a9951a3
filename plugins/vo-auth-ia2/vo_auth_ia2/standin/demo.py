"""The main job at IA2, as ``vo-auth demo`` shows it: a list of private files, although tokens live minutes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pyvo

import vo_auth

from .holdings import find_file
from .places import ARCHIVES_HOST

if TYPE_CHECKING:
    from vo_auth.demo import Demo

__all__ = ["show"]

_TAP = f"https://{ARCHIVES_HOST}/vo/tap/tng"
_PRIVATE = "SELECT file_url FROM tng.TNG_TAP WHERE PROGRAM = 'X99TAC_1' ORDER BY id"
_FOREIGN = "SELECT TOP 1 file_url FROM tng.TNG_TAP WHERE PROGRAM = 'X99TAC_2'"
_LIFE = 2  # seconds that a token lives here: minutes at the archive
_PAUSE = 0.008  # seconds between two files


def show(demo: Demo) -> None:
    """Do it and show it.

    Parameters
    ----------
    demo
        Where to show it.
    """
    demo.bench.knobs["token_life"] = _LIFE
    with vo_auth.session_for(_TAP) as session:
        tap = pyvo.dal.TAPService(_TAP, session=session)
        demo.step("IA2: TAP lists private files, by plain http")
        urls = [str(row["file_url"]) for row in tap.search(_PRIVATE)]
        demo.check(f"{len(urls)} URLs, the first {urls[0][:38]}…", all(url.startswith("http://") for url in urls))
        with vo_auth.anonymous():
            refused = session.get(urls[0]).status_code
        demo.check(f"anonymous: status {refused}", refused == 401)
        _download(demo, session, urls)
        demo.step("IA2: one token for TAP, files and groups, and for nobody else")
        groups = vo_auth.groups("ia2")
        demo.check(f"groups by GMS: {', '.join(groups)}", "TNG.X99TAC_1" in groups)
        status = session.get(str(tap.search(_FOREIGN)[0]["file_url"])).status_code
        demo.check(f"a file of another programme: status {status}, and no further login", status == 403)
        leaks = demo.bench.counters["bearer_on_http"]
        demo.check(f"tokens that travelled by plain http: {leaks}", leaks == 0)


def _download(demo: Demo, session: vo_auth.AuthSession, urls: list[str]) -> None:
    demo.step(f"IA2: download all of them with tokens that live {_LIFE} seconds")
    start, asked, whole = time.monotonic(), demo.bench.counters["token_requests"], 0
    for url in urls:
        file = find_file("tng", url.rpartition("/")[2])
        whole += file is not None and session.get(url).content == file.content()
        time.sleep(_PAUSE)
    seconds = time.monotonic() - start
    asked = demo.bench.counters["token_requests"] - asked
    demo.check(f"{whole} files in {seconds:.1f} s, nobody had to log in again", whole == len(urls))
    # They are renewed when four fifths of their life have passed.
    demo.check(f"one token request per token life: {asked}", 1 <= asked <= seconds / (0.75 * _LIFE) + 1)
