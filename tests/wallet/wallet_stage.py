"""What the wallet's tests play on: clocks, flows, sources, a token server, and crews of processes."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

from vo_auth.archive import Archive, Grant, LoginContext
from vo_auth.clock import Clock
from vo_auth.credentials import Found, Wanted
from vo_auth.domain import Domain
from vo_auth.errors import CredentialsRejectedError, LoginUnreachableError, PromptCancelledError
from vo_auth.flows import PasswordGrant
from vo_auth.permit import BearerPermit
from vo_auth.secret import Secret

HERE = Path(__file__).parent
DAY = 86_400.0
HOUR = 3600.0
PASSWORDS = {"alice": "fake-password-of-alice", "bob": "fake-password-of-bob"}


class VirtualClock:
    """The two clocks of a machine; sleeping moves both."""

    def __init__(self, wall: float = 1_800_000_000.0) -> None:
        self.true = wall  # what the archive's clock says, unless a test moves that too
        self.wall_error = 0.0
        self.elapsed = 1000.0
        self.slept: list[float] = []
        self.on_sleep: Callable[[float], None] = lambda _: None

    @property
    def clock(self) -> Clock:
        return Clock(wall=self.wall, elapsed=lambda: self.elapsed, sleep=self.sleep)

    def wall(self) -> float:
        return self.true + self.wall_error

    def go_on(self, seconds: float) -> None:
        self.true += seconds
        self.elapsed += seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.go_on(seconds)
        self.on_sleep(seconds)


class FakeFlow:
    """A login without a network. What happens is written to a folder, so that processes can be counted together.

    Parameters
    ----------
    folder
        Stands for the archive: its log, and one file for each refresh token that is still good.
    """

    name = "fake flow"
    asks = ("username", "password")
    optional = ()
    unattended = True
    login_urls = ("https://login.fake.example/token",)

    def __init__(self, folder: Path, *, life: float | None = 8 * HOUR, refresh: bool = False) -> None:
        self.folder = folder
        self.life = life
        self.refresh = refresh
        self.duration = 0.0  # real seconds that a login takes
        self.unreachable: LoginUnreachableError | None = None
        self.on_login: Callable[[LoginContext], None] = lambda _: None
        self.on_renewed: Callable[[Grant], None] = lambda _: None
        folder.mkdir(parents=True, exist_ok=True)

    def login(self, ctx: LoginContext) -> Grant:
        user, password = ctx.value("username"), ctx.value("password")
        self.note(f"login {user}")
        self.on_login(ctx)
        time.sleep(self.duration)
        self._reach()
        if PASSWORDS.get(user) != password:
            self.note(f"rejected {user}")
            raise CredentialsRejectedError(f"the archive does not know {user}")
        return self.grant(ctx, user)

    def renew(self, ctx: LoginContext, grant: Grant) -> Grant | None:
        if grant.refresh is None:
            return None
        token = grant.refresh.reveal()
        self.note(f"renew {token}")
        self._reach()
        try:
            (self.folder / token).unlink()  # one process alone succeeds
        except FileNotFoundError:
            self.note(f"refused {token}")
            return None
        renewed = self.grant(ctx, grant.identity)
        time.sleep(self.duration)
        self.on_renewed(renewed)
        return renewed

    def revoke(self, ctx: LoginContext, grant: Grant) -> bool:
        return False

    def grant(self, ctx: LoginContext, user: str) -> Grant:
        issued = ctx.client.now()
        rotated = f"refresh-{uuid.uuid4().hex}" if self.refresh else None
        if rotated:
            (self.folder / rotated).touch()
        return Grant(
            permit=BearerPermit(Secret(f"token.{user}.{uuid.uuid4().hex}")),
            refresh=Secret(rotated) if rotated else None,
            identity=user,
            issuer=self.login_urls[0],
            issued=issued,
            expires=None if self.life is None else issued + self.life,
        )

    def note(self, line: str) -> None:
        descriptor = os.open(self.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, f"{line}\n".encode())
        finally:
            os.close(descriptor)

    def seen(self, what: str = "login") -> list[str]:
        """What followed this word in each line of the log."""
        log = self.folder / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line.partition(" ")[2] for line in lines if line.partition(" ")[0] == what]

    def _reach(self) -> None:
        if self.unreachable is not None:
            raise LoginUnreachableError(str(self.unreachable), retry_after=self.unreachable.retry_after)


class Source:
    """Credentials that are simply there."""

    def __init__(self, name: str, values: Mapping[str, str], *, rank: int = 40) -> None:
        self.name = name
        self.rank = rank
        self.values = dict(values)
        self.asked: list[Wanted] = []

    def find(self, wanted: Wanted) -> Found | None:
        self.asked.append(wanted)
        if not wanted.serves(self.values.get("username", "")):
            return None
        known = {name: Secret(self.values[name]) for name in (*wanted.names, "username") if self.values.get(name)}
        return Found(values=known, origin=f"the {self.name}") if known else None


class Person:
    """Somebody at a terminal, as the prompt source meets them."""

    name = "prompt"
    rank = 90

    def __init__(self, username: str = "alice", password: str | None = None) -> None:
        self.username = username
        self.password = PASSWORDS[username] if password is None else password
        self.asked: list[Wanted] = []
        self.declines = False
        self.while_asked: Callable[[], object] = lambda: None

    def find(self, wanted: Wanted) -> Found | None:
        if wanted.interactive is False:
            return None
        self.asked.append(wanted)
        self.while_asked()
        if self.declines:
            raise PromptCancelledError("the person declined")
        username = self.username if wanted.ask_username or not wanted.username else wanted.username
        return Found(values={"username": Secret(username), "password": Secret(self.password)}, origin="prompt")


def make_source(username: str, password: str | None = None, *, name: str = "pocket", rank: int = 40) -> Source:
    return Source(name, {"username": username, "password": password or PASSWORDS[username]}, rank=rank)


def make_archive(*flows: Any, **changes: Any) -> Archive:
    options: dict[str, Any] = {
        "name": "fake",
        "title": "Fake Archive",
        "domains": (Domain("https://data.fake.example"),),
        "flows": flows,
    }
    return Archive(**{**options, **changes})


def make_jwt(**claims: Any) -> str:
    """A token that looks like a JWT; nothing here checks signatures."""
    parts = ({"alg": "RS256", "typ": "JWT"}, claims)
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, "obviously-fake"])


class _Server(ThreadingHTTPServer):
    request_queue_size = 256  # many come at once
    daemon_threads = True


class TokenServer:
    """A token endpoint and some data behind it, on loopback, with a clock of its own.

    Attributes
    ----------
    life, jwt
        Of the tokens: seconds, and whether the token itself tells its end.
    sends_date
        Whether answers have a Date header.
    faults
        ``(status, headers)`` of the next answers to logins.
    logins, issued, data
        What happened: how many logins, and when; ``data`` has the Authorization header of each request for data,
        ``dead`` those that were not accepted.
    on_answer
        Called while an answer is on its way.
    revoked
        Tokens that are not accepted any more.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.life = 8 * HOUR
        self.jwt = False
        self.expires_in: float | None = None
        self.sends_date = True
        self.silent = True
        self.login_takes = 0.0  # real seconds
        self.faults: list[tuple[int, dict[str, str]]] = []
        self.logins = 0
        self.issued: list[float] = []
        self.data: list[str] = []
        self.dead: list[str] = []
        self.on_answer: Callable[[], None] = lambda: None
        self.ends: dict[str, float] = {}
        self.revoked: set[str] = set()
        self._guard = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def archive(self) -> Archive:
        flow = PasswordGrant(token_url=f"{self.base}/token", client_id="public")
        return make_archive(flow, domains=(Domain(f"{self.base}/data"),), silent=self.silent)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def is_good(self, authorization: str) -> bool:
        token = authorization.removeprefix("Bearer ")
        return token not in self.revoked and self.ends.get(token, 0.0) > self.clock.true

    def _issue(self) -> dict[str, Any]:
        now = self.clock.true
        with self._guard:
            self.logins += 1
            number = self.logins
            self.issued.append(now)
        end = now + self.life
        token = make_jwt(sub="alice", exp=end, iat=now, jti=number) if self.jwt else f"opaque-{number}"
        self.ends[token] = end
        stated = self.life if self.expires_in is None else self.expires_in
        return {"access_token": token, "token_type": "Bearer", "expires_in": stated}

    def _handler(server: TokenServer) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - the handler has a self of its own
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                form = {name: values[0] for name, values in parse_qs(body).items()}
                time.sleep(server.login_takes)
                if server.faults:
                    status, headers = server.faults.pop(0)
                    self._answer(status, {}, headers)
                elif form.get("password") != PASSWORDS["alice"]:
                    self._answer(401, {"error": "invalid_grant"})
                else:
                    self._answer(200, server._issue())

            def do_GET(self) -> None:
                authorization = self.headers.get("Authorization", "")
                server.data.append(authorization)
                good = server.is_good(authorization)
                if not good:
                    server.dead.append(authorization)
                self._answer(200 if good or server.silent else 401, {"rows": 2 if good else 1})

            def _answer(self, status: int, content: dict[str, Any], headers: Mapping[str, str] = {}) -> None:
                body = json.dumps(content).encode()
                date = server.clock.true
                server.on_answer()
                self.send_response_only(status)
                if server.sends_date:
                    self.send_header("Date", formatdate(date, usegmt=True))
                for name, value in {"Content-Length": str(len(body)), "Connection": "close", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


class Crew:
    """Processes that begin at the same moment, when all of them are ready."""

    PREAMBLE = """
        import json, sys, time, threading
        from pathlib import Path
        FOLDER, NUMBER = Path(sys.argv[1]), int(sys.argv[2])
        ARGUMENTS = json.loads(sys.argv[3])
        def start_together(limit=60):
            (FOLDER / f"ready-{NUMBER}").touch()
            end = time.monotonic() + limit
            while not (FOLDER / "go").exists():
                assert time.monotonic() < end, "nobody said go"
                time.sleep(0.005)
        def report(value):
            (FOLDER / f"report-{NUMBER}").write_text(json.dumps(value))
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[str]] = []
        folder.mkdir(parents=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def hire(
        self,
        size: int,
        script: str,
        *,
        environ: Mapping[str, str] | None = None,
        stderr: Any = subprocess.PIPE,
        **arguments: Any,
    ) -> list[subprocess.Popen[str]]:
        """Start processes that run the script; it calls start_together() and report(value)."""
        environment = {**(os.environ if environ is None else environ)}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE), environment.get("PYTHONPATH")]))
        source = textwrap.dedent(self.PREAMBLE) + textwrap.dedent(script)
        first = len(self.processes)
        hired = [
            subprocess.Popen(
                [sys.executable, "-c", source, str(self.folder), str(number), json.dumps(arguments)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
            for number in range(first, first + size)
        ]
        self.processes += hired
        return hired

    def ready(self) -> None:
        """Wait until every process is."""
        for number, process in enumerate(self.processes):
            wait_for(lambda n=number, p=process: (self.folder / f"ready-{n}").exists() or p.poll() is not None, 60)

    def go(self, limit: float = 60) -> list[Any]:
        """Let them begin together, wait for all, and return their reports."""
        self.ready()
        (self.folder / "go").touch()
        return self.reports(limit)

    def reports(self, limit: float = 60) -> list[Any]:
        result = []
        for number, process in enumerate(self.processes):
            output, errors = process.communicate(timeout=limit)
            assert process.returncode == 0, f"process {number} ended with {process.returncode}:\n{output}{errors}"
            result.append(json.loads((self.folder / f"report-{number}").read_text()))
        return result


def wait_for(condition: Callable[[], object], limit: float = 20.0) -> None:
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "what was waited for did not happen"
        time.sleep(0.003)


def end_renewals() -> None:
    """Wait for every renewal in the background."""
    for thread in threading.enumerate():
        if thread.name == "vo_auth renewal":
            thread.join(20)
            assert not thread.is_alive()


def in_threads(count: int, work: Callable[[], Any], limit: float = 60.0) -> list[Any]:
    """Run work in threads that begin at once; return what each returned or raised."""
    barrier = threading.Barrier(count)
    results: list[Any] = [None] * count

    def run(number: int) -> None:
        barrier.wait(limit)
        try:
            results[number] = work()
        except Exception as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(limit)
        assert not thread.is_alive()
    return results
