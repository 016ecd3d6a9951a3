"""A whole login in a real browser, at a certified OpenID provider (oidc-provider): code, PKCE, rotation, revocation."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
import requests

import vo_auth
from vo_auth import Archive, Domain, Secret
from vo_auth.archive import Grant, LoginContext, Person
from vo_auth.errors import PromptCancelledError
from vo_auth.flows import AuthorizationCode, ClientCredentials, OAuthServer, read_claims
from vo_auth.login_client import LoginClient
from vo_auth.permit import BearerPermit
from vo_auth.sandbox import Sandbox

pytestmark = pytest.mark.interop

PROVIDER = Path(__file__).parent / "oidc_provider" / "provider.mjs"
TAP = "https://archive.example.org/tap"
PASSWORD = "obviously-fake"
IA2_TAP = "https://archives.ia2.inaf.it/vo/tap/tng"
PRIVATE = "SELECT TOP 1 file_url FROM tng.TNG_TAP WHERE PROGRAM = 'X99TAC_1'"
CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# ---------------------------------------------------------------- the provider


@dataclass
class Provider:
    issuer: str
    notes: list[dict[str, Any]] = field(default_factory=list)

    def events(self) -> list[str]:
        return [str(note["event"]) for note in self.notes]


@pytest.fixture(scope="module")
def modules() -> Path:
    found = Path(os.environ.get("OIDC_PROVIDER_MODULES", "nowhere"))
    if not (found / "oidc-provider").is_dir():
        pytest.skip("oidc-provider is not installed; make interop does it, and says so in OIDC_PROVIDER_MODULES")
    return found


@pytest.fixture
def provider(modules: Path, program: Callable[[str], str]) -> Iterator[Provider]:
    with subprocess.Popen(
        [program("node"), str(PROVIDER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={"PATH": os.environ["PATH"], "OIDC_PROVIDER_MODULES": str(modules)},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        output = process.stdout
        here = Provider(json.loads(output.readline())["issuer"])
        reader = threading.Thread(
            target=lambda: here.notes.extend(json.loads(line) for line in output if line[0] == "{")
        )
        reader.start()
        yield here
        process.stdin.close()  # which ends it
        reader.join(20)


# ---------------------------------------------------------------- the browser


@dataclass
class Chromium:
    """A person who logs in by hand in a headless browser."""

    page: Any
    answers: tuple[str, ...] = ("#log-in",)  # what is pressed, page after page
    username: str = "pi"
    password: str = PASSWORD
    complaints: list[tuple[str, str]] = field(default_factory=list)  # where, and what

    def visit(self, url: str, *, arrived: Callable[[float], str | None], patience: float) -> str:
        self.page.goto(url)
        self.page.fill("#username", self.username)
        self.page.fill("#password", self.password)
        for answer in self.answers:
            self.page.click(answer, no_wait_after=True)  # the page at the end comes when the login has ended
        back = arrived(30)
        assert back is not None, f"the browser is at {self.page.url}"
        return back


@contextmanager
def chromium(executable: str, **options: Any) -> Iterator[Chromium]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        process = driver.chromium.launch(executable_path=executable, headless=True, args=CHROMIUM)
        context = process.new_context(**options)
        here = Chromium(context.new_page())
        here.page.on("console", lambda note: here.complaints.append((str(note.location.get("url")), note.text)))
        yield here
        process.close()


@pytest.fixture
def browser(program: Callable[[str], str]) -> Iterator[Chromium]:
    with chromium(program("chromium"), java_script_enabled=False) as here:
        yield here


# ---------------------------------------------------------------- logging in


@pytest.fixture
def flow(provider: Provider) -> AuthorizationCode:
    return AuthorizationCode(
        server=OAuthServer(issuer=provider.issuer),
        client_id="native",
        scope="openid tap",
        redirect_path="/callback",
    )


@pytest.fixture
def context() -> Iterator[Callable[..., LoginContext]]:
    clients: list[LoginClient] = []

    def make(flow: Any, person: Person | None = None, **values: Any) -> LoginContext:
        archive = Archive(
            name="example", title="An Example Archive", domains=(Domain("https://archive.example.org"),), flows=(flow,)
        )
        clients.append(LoginClient(archive.title, archive.credential_origins()))
        return LoginContext(archive=archive, client=clients[-1], person=person, **values)

    yield make
    for client in clients:
        client.close()


def token_of(grant: Grant) -> str:
    assert isinstance(grant.permit, BearerPermit)
    return grant.permit.token.reveal()


def test_a_person_logs_in_in_a_browser_without_javascript_and_is_told_so(
    flow: AuthorizationCode, browser: Chromium, context: Callable[..., LoginContext], tmp_path: Path
) -> None:
    answers: list[Any] = []
    browser.page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 - it wants a function
    grant = flow.login(context(flow, browser, resource=TAP))
    assert grant.identity == "pi"
    assert read_claims(token_of(grant))["aud"] == TAP
    assert grant.refresh is not None

    page = browser.page
    page.get_by_role("status").get_by_role("heading", name="You are logged in to An Example Archive").wait_for()
    assert "close this window" in page.inner_text("main")
    assert urlsplit(page.url).query == ""
    last = answers[-1]
    assert last.status == 200
    assert last.headers["cache-control"] == "no-store"
    assert last.headers["referrer-policy"] == "no-referrer"
    assert last.headers["content-security-policy"].startswith("default-src 'none'")
    back = next(answer.url for answer in answers if "/callback?" in answer.url)
    for name in ("code", "state"):
        (secret,) = parse_qs(urlsplit(back).query)[name]
        assert secret not in page.content() + page.url
    ours = "/".join(page.url.split("/")[:3])  # its policy lets its own style in
    assert [text for where, text in browser.complaints if where.startswith(ours)] == []
    box, width = page.locator("main").bounding_box(), page.viewport_size["width"]
    assert 300 < box["width"] < 500  # so the style is there
    assert abs(box["x"] + box["width"] / 2 - width / 2) < 2
    assert page.screenshot(path=tmp_path / "page.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_telephone_in_light_and_dark(
    scheme: str,
    flow: AuthorizationCode,
    context: Callable[..., LoginContext],
    program: Callable[[str], str],
) -> None:
    with chromium(
        program("chromium"), java_script_enabled=False, color_scheme=scheme, viewport={"width": 320, "height": 560}
    ) as here:
        flow.login(context(flow, here))
        here.page.get_by_role("heading").wait_for()
        box = here.page.locator("main").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 320
        paper = here.page.evaluate("getComputedStyle(document.body).backgroundColor")
        red = int(paper.partition("(")[2].partition(",")[0])
        assert (red > 200) is (scheme == "light")


def test_who_declines_is_told_that_nothing_came_of_it(
    flow: AuthorizationCode, browser: Chromium, context: Callable[..., LoginContext]
) -> None:
    browser.answers = ("#decline",)
    with pytest.raises(PromptCancelledError, match="declined"):
        flow.login(context(flow, browser))
    browser.page.get_by_role("alert").get_by_role("heading", name="did not work").wait_for()
    assert "logged in to" not in browser.page.content()


@pytest.fixture
def at_ia2(
    vo_auth_sandbox: Sandbox, program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Chromium]:
    """Sit before a browser as somebody who has an account at IA2, and no credentials in the environment."""
    (standin,) = (item for item in vo_auth_sandbox.standins if item.archive == "ia2")
    for name in vo_auth_sandbox.environ:
        if name.startswith("VO_AUTH_IA2_"):
            monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VO_AUTH_IA2_CLIENT_ID", standin.credentials["native"]["client_id"])
    proxy = {"server": vo_auth_sandbox.environ["HTTPS_PROXY"], "bypass": "127.0.0.1"}
    with chromium(program("chromium"), java_script_enabled=False, ignore_https_errors=True, proxy=proxy) as here:
        here.username, here.password = standin.credentials["observer"].values()
        here.answers = ("#login", "#allow")
        monkeypatch.setattr("vo_auth.credentials.prompt.person_for", lambda archive, interactive: here)
        yield here


def test_a_person_logs_in_at_ia2_once_and_downloads_private_files(at_ia2: Chromium, vo_auth_sandbox: Sandbox) -> None:
    assert vo_auth.login("ia2", interactive=True).archive == "ia2"
    at_ia2.page.get_by_role("heading", name="You are logged in to IA2").wait_for()
    assert urlsplit(at_ia2.page.url).query == ""
    with vo_auth.session_for(IA2_TAP, interactive=False) as session:
        answer = session.get(f"{IA2_TAP}/sync", params={"REQUEST": "doQuery", "LANG": "ADQL", "QUERY": PRIVATE})
        url = re.findall(r"https?://archives\.ia2\.inaf\.it/files/[^<\s]+", answer.text)[0]
        assert session.get(url).ok
        with vo_auth.anonymous():
            assert session.get(url).status_code == 401
    assert vo_auth_sandbox.bench("ia2").counters["page_logins"] == 1


# ---------------------------------------------------------------- from elsewhere, as a person pastes it


class Form(HTMLParser):
    found = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.found = self.found or tag == "form"


def log_in_elsewhere(url: str) -> str:
    """Return the address at which a browser on another computer ends."""
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(url, allow_redirects=False, timeout=20)
        while True:
            form = Form()
            form.feed(answer.text)
            if answer.is_redirect:
                target = urljoin(answer.url, answer.headers["Location"])
                if target.startswith("http://127.0.0.1:") and urlsplit(target).path == "/callback":
                    return target
                answer = session.get(target, allow_redirects=False, timeout=20)
            else:
                assert form.found, answer.text
                data = {"username": "pi", "password": PASSWORD, "answer": "yes"}
                answer = session.post(answer.url, data=data, allow_redirects=False, timeout=20)


class Elsewhere:
    def visit(self, url: str, *, arrived: Callable[[float], str | None], patience: float) -> str:
        return log_in_elsewhere(url)


def test_each_refresh_token_is_redeemed_once_and_a_second_time_ends_them_all(
    flow: AuthorizationCode, provider: Provider, context: Callable[..., LoginContext]
) -> None:
    first = flow.login(context(flow, Elsewhere(), resource=TAP))
    second = flow.renew(context(flow, resource=TAP), first)
    assert second is not None
    assert second.refresh != first.refresh
    assert token_of(second) != token_of(first)
    assert read_claims(token_of(second))["aud"] == TAP
    third = flow.renew(context(flow, resource=TAP), second)
    assert third is not None
    assert flow.renew(context(flow), first) is None  # as a thief would
    assert flow.renew(context(flow), third) is None
    assert provider.events().count("refresh_token.consumed") == 2


def test_a_permit_for_one_service_is_renewed_for_none_and_the_other_way_round(
    flow: AuthorizationCode, context: Callable[..., LoginContext]
) -> None:
    grant = flow.login(context(flow, Elsewhere()))
    assert read_claims(token_of(grant)) == {}  # opaque
    assert flow.renew(context(flow), grant) is not None


def test_logging_out_ends_what_could_be_renewed(
    flow: AuthorizationCode, provider: Provider, context: Callable[..., LoginContext]
) -> None:
    grant = flow.login(context(flow, Elsewhere()))
    assert is_active(provider, token_of(grant))
    assert flow.revoke(context(flow), grant)
    assert not is_active(provider, token_of(grant))
    assert flow.renew(context(flow), grant) is None


def is_active(provider: Provider, token: str) -> bool:
    data = {"token": token, "client_id": "native"}
    answer = requests.post(f"{provider.issuer}/token/introspection", data=data, timeout=20)
    assert answer.status_code == 200
    return bool(answer.json()["active"])


def test_a_service_with_an_odd_name_and_secret_is_understood(
    provider: Provider, context: Callable[..., LoginContext]
) -> None:
    flow = ClientCredentials(server=OAuthServer(issuer=provider.issuer), scope="tap")
    pair = {"client_id": Secret("service name"), "client_secret": Secret("service fake:%+")}
    grant = flow.login(context(flow, credentials=pair, resource=TAP))
    assert read_claims(token_of(grant))["aud"] == TAP
    assert (grant.identity, grant.scopes) == ("service name", ("tap",))


# ---------------------------------------------------------------- all of it, by the programs that people use

LOGIN = """
import sys
from vo_auth import Archive, Domain
from vo_auth.archive import LoginContext
from vo_auth.credentials.person import person_for
from vo_auth.flows import AuthorizationCode, OAuthServer
from vo_auth.login_client import LoginClient
issuer, interactive = ISSUER, INTERACTIVE
flow = AuthorizationCode(
    server=OAuthServer(issuer=issuer), client_id="native", scope="openid", redirect_path="/callback", patience=60
)
archive = Archive(name="example", title="An Example", domains=(Domain("https://archive.example.org"),), flows=(flow,))
with LoginClient(archive.title, archive.credential_origins()) as client:
    grant = flow.login(LoginContext(archive=archive, client=client, person=person_for(archive, interactive)))
print("logged in:", grant.identity)
"""
AGENT = """#!{python}
import sys
from playwright.sync_api import sync_playwright
with sync_playwright() as driver:
    browser = driver.chromium.launch(executable_path={chromium!r}, headless=True, args={arguments!r})
    page = browser.new_page()
    page.goto(sys.argv[1])
    page.fill("#username", "pi")
    page.fill("#password", {password!r})
    page.click("#log-in", no_wait_after=True)
    page.get_by_role("heading", name="logged in").wait_for()
    open({notes!r}, "w").write(page.inner_text("main"))
"""


def program_for(provider: Provider, *, interactive: bool | None) -> str:
    return LOGIN.replace("ISSUER", repr(provider.issuer)).replace("INTERACTIVE", repr(interactive))


def test_the_browser_that_the_system_names_opens_by_itself(
    provider: Provider, program: Callable[[str], str], tmp_path: Path
) -> None:
    pytest.importorskip("playwright")
    agent, notes = tmp_path / "agent", tmp_path / "page.txt"
    agent.write_text(
        AGENT.format(
            python=sys.executable,
            chromium=program("chromium"),
            arguments=CHROMIUM,
            password=PASSWORD,
            notes=str(notes),
        )
    )
    agent.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", program_for(provider, interactive=True)],
        env={**os.environ, "BROWSER": str(agent)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.stdout == "logged in: pi\n", done.stderr
    assert "You are logged in to An Example" in notes.read_text()


# ---------------------------------------------------------------- in the kernel of a notebook


@pytest.fixture
def kernel() -> Iterator[Any]:
    pytest.importorskip("ipykernel")
    manager = pytest.importorskip("jupyter_client.manager").KernelManager()
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def outputs_until_idle(kernel: Any, request: str) -> list[Any]:
    outputs = []
    while True:
        message = kernel.get_iopub_msg(timeout=60)
        if message["parent_header"].get("msg_id") != request:
            continue
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            return outputs
        outputs.append(message)


def saved(outputs: list[Any]) -> str:
    """Return what a notebook would save of these outputs: a display that is updated is the updated one."""
    displays = {
        str(item["content"]["transient"].get("display_id")): str(item["content"]["data"])
        for item in outputs
        if "transient" in item["content"]
    }
    return str([item["content"] for item in outputs if item["msg_type"] == "stream"]) + str(displays)


def page_of(kernel: Any, request: str) -> str:
    while True:
        message = kernel.get_iopub_msg(timeout=60)
        assert message["msg_type"] != "error", message["content"]
        if message["msg_type"] == "display_data":
            assert 'target="_blank"' in message["content"]["data"]["text/html"]
            return str(message["content"]["data"]["text/plain"]).split()[-1]


def test_in_a_notebook_the_address_is_pasted_and_nothing_of_it_is_saved(provider: Provider, kernel: Any) -> None:
    request = kernel.execute(program_for(provider, interactive=None), allow_stdin=True)
    question = kernel.get_stdin_msg(timeout=60)
    assert question["content"]["password"] is True
    back = log_in_elsewhere(page_of(kernel, request))
    kernel.input(back)
    outputs = outputs_until_idle(kernel, request)
    assert "logged in: pi" in saved(outputs)
    for name in ("code", "state"):
        assert parse_qs(urlsplit(back).query)[name][0] not in saved(outputs)


def test_in_a_notebook_the_browser_of_the_same_machine_ends_the_question(provider: Provider, kernel: Any) -> None:
    request = kernel.execute(program_for(provider, interactive=None), allow_stdin=True)
    kernel.get_stdin_msg(timeout=60)
    back = log_in_elsewhere(page_of(kernel, request))
    assert requests.get(back, timeout=60).status_code == 200  # the browser arrives
    assert "logged in: pi" in saved(outputs_until_idle(kernel, request))
    request = kernel.execute("print(1 + 1)")  # nothing of the interrupt is left
    assert "'text': '2\\n'" in str(outputs_until_idle(kernel, request))


def test_a_notebook_that_nobody_watches_fails_at_once(provider: Provider, kernel: Any) -> None:
    request = kernel.execute(program_for(provider, interactive=None), allow_stdin=False)
    assert "needs a person" in str(outputs_until_idle(kernel, request))
