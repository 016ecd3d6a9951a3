"""Somebody is brought to a login page, and comes back by the browser or by what they paste."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1] / "flows"))

from authority import Authority, fetch
from pseudo_terminal import Pty

from vo_auth import Archive, Domain
from vo_auth.archive import Known, Person
from vo_auth.credentials.person import person_for
from vo_auth.errors import LoginAnswerError, PromptCancelledError
from vo_auth.flows import AuthorizationCode, OAuthServer

REDIRECT = "http://127.0.0.1:9/example/abc"
PAGE = (
    "https://login.example.org/authorize?response_type=code&client_id=native"
    "&redirect_uri=http%3A%2F%2F127.0.0.1%3A9%2Fexample%2Fabc&state=state-fake"
)
BACK = f"{REDIRECT}?code=code-fake&state=state-fake"
posix = pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are a POSIX thing")


def nobody(seconds: float) -> None:
    time.sleep(min(seconds, 0.01))


@pytest.fixture(autouse=True)
def _no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")


@pytest.fixture
def archive() -> Archive:
    flow = AuthorizationCode(server=OAuthServer(issuer="https://login.example.org"), client_id="native")
    return Archive(
        name="example",
        title="An Example Archive",
        domains=(Domain("https://archive.example.org"),),
        flows=(flow,),
        known=Known(environment={"token": ("EXAMPLE_KEY",)}),
    )


@pytest.fixture
def person(archive: Archive) -> Person:
    found = person_for(archive, True)
    assert found is not None
    return found


# ---------------------------------------------------------------- who


@pytest.mark.parametrize(("wish", "tty", "there"), [(None, True, True), (None, False, False), (False, True, False)])
def test_nobody_is_there_where_nobody_may_be_asked(
    wish: bool | None, tty: bool, there: bool, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = SimpleNamespace(isatty=lambda: tty)
    monkeypatch.setattr("sys.stdin", stream)
    monkeypatch.setattr("sys.stderr", stream)
    assert (person_for(archive, wish) is not None) is there


@pytest.mark.parametrize(
    "page",
    [
        "https://evil.example.org/authorize",
        "https://login.example.org.evil.example/authorize",
        "https://login.example.org:8443/authorize",
        "https://login.example.org@evil.example.org/authorize",
        "http://login.example.org/authorize",
        "https://login.example.org/\x1b[2Jauthorize",
        "https://login.example.org/a\u202eb",
        "file:///etc/passwd",
        "javascript:alert(1)",
    ],
)
def test_nobody_is_sent_anywhere_else(
    page: str, person: Person, browser: Browser, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises((LoginAnswerError, ValueError)):
        person.visit(page, arrived=nobody, patience=5)
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")
    assert browser.visits() == []


# ---------------------------------------------------------------- the browser


class Browser:
    """A program that notes what it was told to show, and what it was given."""

    def __init__(self, folder: Path) -> None:
        self.notes = folder / "visits"
        self.program = folder / "browser"
        self.program.write_text(
            f"#!{sys.executable}\n"
            "import json, os, sys\n"
            f"with open({str(self.notes)!r}, 'a') as notes:\n"
            "    notes.write(json.dumps([sys.argv[1:], dict(os.environ)]) + '\\n')\n"
        )
        self.program.chmod(0o755)

    def visits(self) -> list[Any]:
        return [json.loads(line) for line in self.notes.read_text().splitlines()] if self.notes.exists() else []

    def wait(self) -> Any:
        end = time.monotonic() + 30
        while not self.visits():
            assert time.monotonic() < end, "no browser was opened"
            time.sleep(0.02)
        (visit,) = self.visits()
        return visit


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Browser:
    here = Browser(tmp_path)
    monkeypatch.setenv("BROWSER", str(here.program))
    return here


@posix
def test_the_browser_opens_the_page_and_gets_none_of_our_secrets(
    person: Person, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VO_AUTH_EXAMPLE_CLIENT_SECRET", "EXAMPLE_KEY", "BEARER_TOKEN"):
        monkeypatch.setenv(name, "obviously-fake")
    monkeypatch.setenv("LANGUAGE", "en")

    def arrived(seconds: float) -> str:
        browser.wait()
        return BACK

    assert person.visit(PAGE, arrived=arrived, patience=60) == BACK
    arguments, environment = browser.wait()
    assert arguments == [PAGE]
    assert environment["LANGUAGE"] == "en"
    assert "obviously-fake" not in environment.values()


@pytest.mark.parametrize(
    ("environment", "opens"),
    [
        ({}, False),
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True),
        ({"DISPLAY": ":10", "SSH_CONNECTION": "a b"}, False),
        ({"DISPLAY": ":0", "SSH_TTY": "/dev/pts/1"}, False),
        ({"SSH_CONNECTION": "a b", "BROWSER": "/usr/lib/editor/helper.sh"}, True),
        ({"DISPLAY": ":0", "BROWSER": "lynx"}, False),
        ({"BROWSER": "/usr/bin/w3m -F %s"}, False),
        ({"BROWSER": " "}, False),
    ],
)
def test_a_browser_is_opened_where_the_person_sees_it(
    environment: dict[str, str],
    opens: bool,
    person: Person,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    opened: list[list[str]] = []

    class Opener(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, command: list[str], **options: Any) -> None:
            opened.append(command)
            super().__init__([sys.executable, "-c", "import sys; sys.stdin.read()"], **options)

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("subprocess.Popen", Opener)
    person.visit(PAGE, arrived=lambda seconds: BACK, patience=60)
    assert bool(opened) is opens
    shown = capsys.readouterr().err
    assert ("Your browser opens this page" in shown) is opens
    assert f"\n  {PAGE}\n" in shown


def test_a_browser_that_cannot_be_started_is_no_obstacle(
    person: Person, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    assert person.visit(PAGE, arrived=lambda seconds: BACK, patience=60) == BACK
    assert "Open this page in a browser" in capsys.readouterr().err


def test_who_does_not_come_back_in_time_is_not_waited_for(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(PromptCancelledError, match="nobody came back in time"):
        person.visit(PAGE, arrived=nobody, patience=0.1)


# ---------------------------------------------------------------- pasted into a terminal

VISIT = f"""
import sys, termios, time
from vo_auth import Archive, Domain
from vo_auth.credentials.person import person_for
from vo_auth.errors import PromptCancelledError
from vo_auth.flows import AuthorizationCode, OAuthServer
flow = AuthorizationCode(server=OAuthServer(issuer="https://login.example.org"), client_id="native")
archive = Archive(name="example", title="An Example", domains=(Domain("https://archive.example.org"),), flows=(flow,))
before = termios.tcgetattr(0)
end = time.monotonic() + float(sys.argv[1])
def arrived(seconds):
    time.sleep(seconds)
    return {BACK!r} if time.monotonic() > end else None
try:
    back = person_for(archive, None).visit({PAGE!r}, arrived=arrived, patience=60)
except PromptCancelledError as error:
    back = str(error)
assert termios.tcgetattr(0) == before
print(back[::-1])
"""


@pytest.fixture
def pasted() -> Iterator[Pty]:
    terminal = Pty(VISIT, "600")
    terminal.expect(b"not shown")
    yield terminal
    terminal.process.kill()
    terminal.process.communicate()


@posix
@pytest.mark.parametrize(
    "form",
    [BACK, f"  {BACK}  ", f"<{BACK}>", BACK.removeprefix("http://"), f"{BACK}&long={'x' * 9000}"],
    ids=["as it is", "with spaces", "in brackets", "without scheme", "longer than a terminal's line"],
)
def test_the_address_that_is_pasted_is_taken_and_not_shown(form: str, pasted: Pty) -> None:
    for start in range(0, len(form), 1000):
        pasted.type(form[start : start + 1000].encode())
    pasted.type(b"\n")
    address = form.strip(" <>")
    assert pasted.end() == (address if "://" in address else f"http://{address}")[::-1]
    assert b"code-fake" not in pasted.seen


@posix
@pytest.mark.parametrize(
    "wrong",
    [
        BACK.replace("state-fake", "state-other"),
        f"{REDIRECT}?code=code-fake",
        f"{REDIRECT}?state=state-fake",
        BACK.replace("127.0.0.1:9", "127.0.0.1:8"),
        BACK.replace("/abc", "/abd"),
        PAGE,
        "code-fake",
        "http://[",
    ],
)
def test_what_is_not_of_this_login_is_not_taken_and_can_be_pasted_again(wrong: str, pasted: Pty) -> None:
    pasted.type(wrong.encode() + b"\n")
    pasted.expect(b"That is not the address")
    pasted.type(b"rubbish\x15" + BACK.encode() + b"x\x7f\n")
    assert pasted.end() == BACK[::-1]


@posix
@pytest.mark.parametrize("keys", [b"\x03", b"\x04"], ids=["Ctrl-C", "Ctrl-D"])
def test_a_person_can_decline(keys: bytes, pasted: Pty) -> None:
    pasted.type(keys)
    assert "was cancelled" in pasted.end()[::-1]


@posix
def test_the_browser_may_come_first() -> None:
    terminal = Pty(VISIT, "0")
    assert terminal.end() == BACK[::-1]


def test_an_address_can_come_through_a_pipe(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.write(write, f"{BACK}\n".encode())
    os.close(write)
    with os.fdopen(read) as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert person.visit(PAGE, arrived=nobody, patience=30) == BACK


def test_a_pipe_that_ends_leaves_the_browser(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    with open(os.devnull) as stream:
        monkeypatch.setattr("sys.stdin", stream)

        def arrived(seconds: float) -> str | None:
            asked.append(seconds)
            return BACK if len(asked) > 3 else None

        assert person.visit(PAGE, arrived=arrived, patience=30) == BACK


LOGIN = """
import sys
from vo_auth import Archive, Domain
from vo_auth.archive import LoginContext
from vo_auth.credentials.person import person_for
from vo_auth.flows import AuthorizationCode, OAuthServer
from vo_auth.login_client import LoginClient
flow = AuthorizationCode(server=OAuthServer(issuer=sys.argv[1]), client_id="native", scope="openid")
archive = Archive(name="example", title="An Example", domains=(Domain("https://archive.example.org"),), flows=(flow,))
with LoginClient(archive.title, archive.credential_origins()) as client:
    grant = flow.login(LoginContext(archive=archive, client=client, person=person_for(archive, None)))
print(grant.identity)
"""


@posix
def test_a_login_over_ssh_ends_with_an_address_pasted_from_another_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22")
    authority = Authority()
    terminal = Pty(LOGIN, authority.issuer)
    try:
        terminal.expect(b"not shown")
        (page,) = re.findall(rb"\n  (http\S+)\r\n", terminal.seen)
        away = fetch(page.decode()).headers["Location"]  # the browser there cannot load it
        terminal.type(away.encode() + b"\n")
        assert terminal.end() == "pi"
    finally:
        terminal.process.kill()
        authority.close()


# ---------------------------------------------------------------- in a notebook


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """Make this process look like a kernel; what its notebook would save in the end, and before."""
    outputs: list[dict[str, str]] = []
    module, displays = ModuleType("IPython"), ModuleType("IPython.display")
    module.get_ipython = lambda: SimpleNamespace(kernel=SimpleNamespace(_allow_stdin=True))  # type: ignore[attr-defined]

    class Handle:
        def update(self, data: dict[str, str], *, raw: bool) -> None:
            outputs.append(data)

    def display(data: dict[str, str], *, raw: bool, display_id: bool) -> Handle:
        outputs.append(data)
        return Handle()

    displays.display = display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", displays)
    return outputs


def test_a_notebook_shows_a_link_and_hides_what_is_pasted(
    person: Person,
    shown: list[dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    browser: Browser,
) -> None:
    answers = iter(["wrong", BACK])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(answers))
    assert person.visit(PAGE, arrived=nobody, patience=30) == BACK
    first, last = shown
    assert f'href="{PAGE.replace("&", "&amp;")}"' in first["text/html"]
    assert 'rel="noopener noreferrer"' in first["text/html"]
    assert "<script" not in first["text/html"]
    assert PAGE in first["text/plain"]
    output = capsys.readouterr()
    for secret in ("state-fake", "code-fake", "https://login"):
        assert secret not in str(last) + output.out + output.err
    assert "not the address" in output.out
    assert browser.visits() == []  # it may be on the wrong machine, and there is a link


def sit_still(prompt: str) -> str:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        time.sleep(0.01)
    raise AssertionError("nobody interrupted the question")


def test_a_browser_that_comes_back_ends_the_question_of_a_notebook(
    person: Person, shown: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getpass", sit_still)
    come = threading.Timer(0.2, lambda: None)
    come.start()
    assert person.visit(PAGE, arrived=lambda seconds: (come.join(), BACK)[1], patience=30) == BACK
    assert "state-fake" not in str(shown[-1])


def test_a_question_in_a_notebook_ends_with_the_time(
    person: Person, shown: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getpass", sit_still)
    with pytest.raises(PromptCancelledError, match="in time"):
        person.visit(PAGE, arrived=nobody, patience=0.2)


def test_a_person_can_interrupt_a_notebook(
    person: Person, shown: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(prompt: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("getpass.getpass", interrupt)
    with pytest.raises(PromptCancelledError, match="was cancelled"):
        person.visit(PAGE, arrived=nobody, patience=30)
    assert "state-fake" not in str(shown[-1])


def test_a_thread_of_a_notebook_waits_for_the_browser_alone(
    person: Person, shown: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getpass", lambda prompt: pytest.fail("questions are the main thread's"))
    come: list[Any] = []
    visit: Callable[[], None] = lambda: come.append(person.visit(PAGE, arrived=lambda _: BACK, patience=30))  # noqa: E731
    thread = threading.Thread(target=visit)
    thread.start()
    thread.join(30)
    assert come == [BACK]
