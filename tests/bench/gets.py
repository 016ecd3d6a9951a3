"""What one authenticated GET costs on a connection that is open already, on loopback."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TypeAlias

import requests
import trustme
from pyvo.auth import AuthSession as PyvoAuthSession
from table import Row, median_ratio

import vo_auth

__all__ = ["rows"]

TOKEN = "obviously-fake-token"
CALLS = 100  # in a row, by each contender in each round
DOMAINS = 10_000
BARE = "requests.Session, header set by hand"
OAUTH = "ivo://ivoa.net/sso#OAuth"
# pyvo's has get() and the like, and is no requests.Session
Session: TypeAlias = requests.Session | PyvoAuthSession
Make: TypeAlias = Callable[[str, str | None], Session]
AIMS = {"http": 0.85, "TLS": 0.95}
ATTACHED = "requests.Session, attached"
ATTACHED_AIM = 1.2  # requests still looks for netrc and proxy settings there


def rows(rounds: int) -> list[Row]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vo-auth-bench-")))
        authority, certificate = folder / "ca.pem", folder / "server.pem"
        ca = trustme.CA()
        ca.cert_pem.write_to_path(str(authority))
        ca.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
        http_port = stack.enter_context(responder())
        tls_port = stack.enter_context(responder(str(certificate)))
        return [
            *compare("http", f"http://127.0.0.1:{http_port}/tap", None, rounds),
            *compare("TLS", f"https://localhost:{tls_port}/tap", str(authority), rounds),
        ]


@contextmanager
def responder(*arguments: str) -> Iterator[int]:
    """Run the server in a process of its own; it ends with this one."""
    command = [sys.executable, str(Path(__file__).with_name("responder.py")), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.communicate(timeout=10)


def compare(scheme: str, url: str, authority: str | None, rounds: int) -> list[Row]:
    group = f"An authenticated GET over {scheme} on loopback"
    sessions: dict[str, Session] = {}
    rows_at_end: list[Row] = []
    for name, make in CONTENDERS.items():
        aim = aim_for(name, scheme)
        try:
            session = make(url, authority)
        except Exception as error:  # one that cannot be made leaves the others their figures
            rows_at_end.append(Row(group=group, name=name, aim=aim, why_not=f"{type(error).__name__}: {error}"))
            continue
        sessions[name] = session
    times = measure(sessions, url, rounds)
    return [
        *(
            Row(
                group=group,
                name=name,
                figure=f"{median(values) * 1e6:.0f} µs",
                ratio=median_ratio(values, times[BARE]),
                aim=aim_for(name, scheme),
            )
            for name, values in times.items()
        ),
        *rows_at_end,
    ]


def aim_for(name: str, scheme: str) -> float | None:
    if name == ATTACHED:
        return ATTACHED_AIM
    return AIMS[scheme] if name.startswith("vo_auth") else None


def measure(sessions: dict[str, Session], url: str, rounds: int) -> dict[str, list[float]]:
    """Return seconds per call of each contender in each round; who begins changes from round to round."""
    times: dict[str, list[float]] = {name: [] for name in sessions}
    order = list(sessions)
    for number in range(-1, rounds):  # the first one warms up
        for name in order:
            elapsed = time_calls(sessions[name], url)
            if number >= 0:
                times[name].append(elapsed)
        order = [*order[1:], order[0]]
    return times


def time_calls(session: Session, url: str) -> float:
    gc.collect()
    started = perf_counter()
    for _ in range(CALLS):
        response = session.get(url)
        assert response.content
    return (perf_counter() - started) / CALLS


def bare(_url: str, authority: str | None) -> requests.Session:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {TOKEN}"
    session.verify = authority or True
    return session


def blind(url: str, authority: str | None) -> requests.Session:
    """Make one that never looks at netrc and proxy settings: not what users have, but the floor."""
    session = bare(url, authority)
    session.trust_env = False
    return session


def pyvo_session(url: str, authority: str | None) -> PyvoAuthSession:
    session = PyvoAuthSession()
    session.credentials.set(OAUTH, bare(url, authority))
    session.add_security_method_for_url(url, OAUTH)
    return session


def ours(url: str, authority: str | None) -> requests.Session:
    session = vo_auth.session_for(url, token=TOKEN)
    session.verify = authority or True
    return session


def attached(url: str, authority: str | None) -> requests.Session:
    """Make one as users have it: the permit comes from the wallet that the process shares."""
    from vo_auth.attachment import Attachment, attach_session
    from vo_auth.flows import PastedToken
    from vo_auth.registry import Registry

    os.environ["VO_AUTH_BENCH_TOKEN"] = TOKEN
    archive = vo_auth.Archive(name="bench", title="Bench", domains=(vo_auth.Domain(url),), flows=(PastedToken(),))
    session = requests.Session()
    session.verify = authority or True
    attach_session(session, Attachment(url=url, registry=Registry(archives=[archive])))
    return session


def ours_among(count: int) -> Make:
    """Make a session whose registry knows the URL's own domain and others, together as many as count."""

    def make(url: str, authority: str | None) -> requests.Session:
        from vo_auth.flows import PastedToken
        from vo_auth.registry import Registry

        bases = [url, *(f"https://archive-{number}.example.org/tap" for number in range(1, count))]
        archives = [
            vo_auth.Archive(
                name=f"bench-{number}",
                title=f"Archive {number}",
                domains=(vo_auth.Domain(base),),
                flows=(PastedToken(),),
            )
            for number, base in enumerate(bases)
        ]
        session = vo_auth.AuthSession(url=url, registry=Registry(archives=archives), token=TOKEN)
        session.verify = authority or True
        return session

    return make


CONTENDERS: dict[str, Make] = {
    BARE: bare,
    "vo_auth.AuthSession": ours,
    "vo_auth.AuthSession, 1 domain": ours_among(1),
    f"vo_auth.AuthSession, {DOMAINS:,} domains": ours_among(DOMAINS),
    ATTACHED: attached,
    "requests.Session, trust_env=False": blind,
    "pyvo.auth.AuthSession": pyvo_session,
}
