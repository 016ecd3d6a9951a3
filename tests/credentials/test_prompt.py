"""Ask a person: in a terminal or notebook, and never anywhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))

from pseudo_terminal import Pty

from vo_auth import Archive, Secret
from vo_auth.credentials import PromptSource, Wanted, is_interactive
from vo_auth.errors import PromptCancelledError
from vo_auth.flows import AuthorizationCode, ClientCredentials, OAuthServer, PastedToken

FAKE = "obviously-fake"
Make = Callable[..., Wanted]
Sit = Callable[..., Any]


def ask(wanted: Wanted) -> dict[str, str] | None:
    found = PromptSource().find(wanted)
    return {name: secret.reveal() for name, secret in found.values.items()} if found else None


# ---------------------------------------------------------------- when


@pytest.mark.parametrize(("stdin", "stderr"), [(False, False), (True, False), (False, True)])
def test_who_is_not_at_both_ends_of_a_terminal_is_not_asked(
    stdin: bool, stderr: bool, wanted: Make, terminal: Sit
) -> None:
    person = terminal("pi\n", FAKE, stdin=stdin, stderr=stderr)
    assert not is_interactive()
    assert ask(wanted()) is None
    assert (person.shown, person.hidden) == ([], [])


@pytest.mark.parametrize("stream", [None, SimpleNamespace()])
def test_a_program_without_streams_asks_nobody(stream: Any, wanted: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", stream)
    assert not is_interactive()
    assert ask(wanted()) is None


def test_a_closed_stream_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = open(os.devnull)  # noqa: SIM115
    stream.close()
    monkeypatch.setattr("sys.stdin", stream)
    assert not is_interactive()


def test_a_caller_can_forbid_the_question(wanted: Make, terminal: Sit) -> None:
    person = terminal("pi\n", FAKE)
    assert is_interactive()
    assert ask(wanted(interactive=False)) is None
    assert person.shown == []


def test_a_caller_can_insist_on_the_question(wanted: Make, terminal: Sit) -> None:
    terminal("pi\n", FAKE, stdin=False, stderr=False)
    assert ask(wanted(interactive=True)) == {"username": "pi", "password": FAKE}


# ---------------------------------------------------------------- what


def test_the_terminal_shows_where_the_credentials_go_and_hides_the_password(wanted: Make, terminal: Sit) -> None:
    person = terminal("  pi \n", f"{FAKE}\n")
    assert ask(wanted()) == {"username": "pi", "password": FAKE}
    shown = "".join(person.shown)
    assert "Log in to An Example Archive at https://login.example.org" in shown
    assert "https://archive.example.org/register" in shown
    assert "user name: " in shown
    assert person.hidden == ["password: "]
    assert FAKE not in shown


def test_nothing_goes_to_standard_output(wanted: Make, terminal: Sit, capsys: pytest.CaptureFixture[str]) -> None:
    terminal("pi\n", FAKE)
    ask(wanted())
    assert capsys.readouterr().out == ""


def test_the_origin_is_shown_in_ascii(make_archive: Callable[..., Archive], terminal: Sit) -> None:
    from vo_auth.flows import PasswordGrant

    archive = make_archive(PasswordGrant(token_url="https://lógin.example.org/token"))
    person = terminal("pi\n", FAKE)
    ask(Wanted(archive=archive, flow=archive.flows[0]))
    assert "https://xn--lgin-qqa.example.org" in "".join(person.shown)
    assert "".join(person.shown).isascii()


def test_a_user_name_that_is_known_is_offered(wanted: Make, terminal: Sit) -> None:
    person = terminal("\n", FAKE)
    assert ask(wanted(username="pi")) == {"username": "pi", "password": FAKE}
    assert "user name [pi]: " in person.shown
    terminal("other\n", FAKE)
    assert ask(wanted(username="pi")) == {"username": "other", "password": FAKE}


def test_a_settled_user_is_not_asked_for_but_named(wanted: Make, terminal: Sit) -> None:
    person = terminal(FAKE)
    assert ask(wanted(username="pi", ask_username=False)) == {"username": "pi", "password": FAKE}
    assert "as pi" in "".join(person.shown)
    assert "user name" not in "".join(person.shown)


def test_a_token_is_asked_for_without_echo_with_the_page_that_gives_it(
    make_archive: Callable[..., Archive], terminal: Sit
) -> None:
    archive = make_archive(PastedToken())
    person = terminal(FAKE)
    assert ask(Wanted(archive=archive, flow=archive.flows[0])) == {"token": FAKE}
    assert "https://archive.example.org/token" in "".join(person.shown)
    assert person.hidden == ["token: "]


# ---------------------------------------------------------------- declined


@pytest.mark.parametrize("answers", [(), ("",), ("\n",), ("pi\n",), ("pi\n", ""), ("pi\n", "\n"), ("\n", FAKE)])
def test_no_answer_is_a_no(answers: tuple[str, ...], wanted: Make, terminal: Sit) -> None:
    terminal(*answers)
    with pytest.raises(PromptCancelledError, match="vo-auth login example") as caught:
        ask(wanted())
    assert caught.value.__context__ is None


@pytest.mark.parametrize("interrupted", ["getpass.getpass", "vo_auth.credentials.prompt._read_line"])
def test_an_interrupt_is_a_no(interrupted: str, wanted: Make, terminal: Sit, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(prompt: str) -> str:
        raise KeyboardInterrupt

    terminal("pi\n", FAKE)
    monkeypatch.setattr(interrupted, interrupt)
    with pytest.raises(PromptCancelledError):
        ask(wanted())


# ---------------------------------------------------------------- notebooks


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool | None], None]:
    """Make this process look like a kernel, whose front end takes input or does not."""

    def make(allow_stdin: bool | None) -> None:
        module = ModuleType("IPython")
        kernel = SimpleNamespace() if allow_stdin is None else SimpleNamespace(_allow_stdin=allow_stdin)
        module.get_ipython = lambda: SimpleNamespace(kernel=kernel)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "IPython", module)

    return make


def test_a_notebook_is_asked_in_its_own_boxes(
    notebook: Callable[[bool | None], None],
    wanted: Make,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    notebook(True)
    monkeypatch.setattr("builtins.input", lambda prompt: "pi")
    monkeypatch.setattr("getpass.getpass", lambda prompt: FAKE)
    assert is_interactive()
    assert ask(wanted()) == {"username": "pi", "password": FAKE}
    shown = capsys.readouterr()
    assert "Log in to An Example Archive" in shown.out
    assert shown.err == ""


@pytest.mark.parametrize("allow_stdin", [False, None])
def test_a_notebook_that_nobody_watches_is_not_asked(
    allow_stdin: bool | None, notebook: Callable[[bool | None], None], wanted: Make, terminal: Sit
) -> None:
    person = terminal("pi\n", FAKE)  # even if its server was started in a terminal
    notebook(allow_stdin)
    assert not is_interactive()
    assert ask(wanted()) is None
    assert person.shown == []


def test_ipython_in_a_terminal_is_a_terminal(wanted: Make, terminal: Sit, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("IPython")
    module.get_ipython = SimpleNamespace  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", module)
    terminal("pi\n", FAKE)
    assert ask(wanted()) == {"username": "pi", "password": FAKE}


def test_python_without_a_shell_is_not_taken_for_a_notebook(monkeypatch: pytest.MonkeyPatch, terminal: Sit) -> None:
    module = ModuleType("IPython")
    module.get_ipython = lambda: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", module)
    terminal()
    assert is_interactive()


# ---------------------------------------------------------------- a real terminal

PROGRAM = """
from vo_auth import Archive, Domain
from vo_auth.credentials import PromptSource, Wanted
from vo_auth.errors import PromptCancelledError
from vo_auth.flows import PasswordGrant
flow = PasswordGrant(token_url="https://login.example.org/token")
archive = Archive(name="example", title="An Example", domains=(Domain("https://archive.example.org"),), flows=(flow,))
try:
    found = PromptSource().find(Wanted(archive=archive, flow=flow))
except PromptCancelledError:
    print("declined")
else:
    print("nobody" if found is None else [secret.reveal()[::-1] for secret in found.values.values()])
"""


posix = pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are a POSIX thing")


@posix
def test_in_a_real_terminal_the_password_is_not_echoed_and_standard_output_stays_clean() -> None:
    terminal = Pty(PROGRAM)
    terminal.expect(b"user name: ")
    terminal.type(b"pi\n")
    terminal.expect(b"password: ")
    terminal.type(f"{FAKE}\n".encode())
    assert terminal.end() == str(["ip", FAKE[::-1]])
    assert b"pi" in terminal.seen
    assert FAKE.encode() not in terminal.seen


@posix
@pytest.mark.parametrize("keys", [b"\x03", b"\x04"], ids=["Ctrl-C", "Ctrl-D"])
def test_in_a_real_terminal_a_person_can_decline(keys: bytes) -> None:
    terminal = Pty(PROGRAM)
    terminal.expect(b"user name: ")
    terminal.type(b"pi\n")
    terminal.expect(b"password: ")
    terminal.type(keys)
    assert terminal.end() == "declined"


def test_a_program_in_a_pipe_asks_nobody() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], input="pi\nx\n", capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout.strip(), done.stderr) == ("nobody", "")


def test_nothing_is_shown(wanted: Make, terminal: Sit) -> None:
    terminal("pi\n", FAKE)
    found = PromptSource().find(wanted())
    assert found is not None
    assert found.values["password"] == Secret(FAKE)
    assert FAKE not in repr(found)


# ---------------------------------------------------------------- what is not asked for

SERVER = OAuthServer(issuer="https://login.example.org")


@pytest.fixture
def browser_login(make_archive: Callable[..., Archive]) -> Callable[..., Wanted]:
    def make(client_id: str = "", **changes: Any) -> Wanted:
        archive = make_archive(AuthorizationCode(server=SERVER, client_id=client_id))
        return Wanted(archive=archive, flow=archive.flows[0], **changes)

    return make


def test_a_login_in_a_browser_asks_later_and_by_itself(browser_login: Make, terminal: Sit) -> None:
    person = terminal("pi\n", FAKE)
    assert ask(browser_login("native")) == {}
    assert (person.shown, person.hidden) == ([], [])


def test_the_name_of_a_client_is_taken_from_the_environment_and_asked_of_nobody(
    browser_login: Make, terminal: Sit, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = terminal("pi\n", FAKE)
    assert ask(browser_login()) is None
    monkeypatch.setenv("VO_AUTH_EXAMPLE_CLIENT_ID", "mine")
    assert ask(browser_login()) == {"client_id": "mine"}
    monkeypatch.setenv("VO_AUTH_EXAMPLE_CLIENT_SECRET", FAKE)
    assert ask(browser_login()) == {"client_id": "mine", "client_secret": FAKE}
    assert ask(browser_login("mine")) == {"client_secret": FAKE}
    assert ask(browser_login("another")) == {}  # the secret is not that client's
    assert person.shown == []


def test_without_a_person_a_login_in_a_browser_is_out_of_reach(browser_login: Make, terminal: Sit) -> None:
    terminal("pi\n", FAKE, stdin=False)
    assert ask(browser_login("native")) is None
    assert ask(browser_login("native", interactive=True)) == {}
    terminal("pi\n", FAKE)
    assert ask(browser_login("native", interactive=False)) is None


def test_nobody_types_the_credentials_of_a_service(make_archive: Callable[..., Archive], terminal: Sit) -> None:
    archive = make_archive(ClientCredentials(server=SERVER, asks=("username", "password")))
    person = terminal("pi\n", FAKE)
    assert ask(Wanted(archive=archive, flow=archive.flows[0])) is None
    assert person.shown == []


def test_who_was_not_asked_reads_what_a_login_in_a_browser_needs(
    browser_login: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = PromptSource()
    assert "VO_AUTH_EXAMPLE_CLIENT_ID" in source.looked_at(browser_login().archive)
    assert "CLIENT_ID" not in source.looked_at(browser_login("native").archive)
    monkeypatch.setenv("VO_AUTH_EXAMPLE_CLIENT_ID", "mine")
    assert "CLIENT_ID" not in source.looked_at(browser_login().archive)
