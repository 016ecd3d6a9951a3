"""What goes wrong, told apart: class, message and remedy of each failure, and no secret anywhere."""

from __future__ import annotations

import datetime
import itertools
import logging
import socket
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import requests

import vo_auth
from vo_auth import errors
from vo_auth.archive import Archive, Pages, Tell, Trouble, Verdict
from vo_auth.clock import Clock
from vo_auth.credentials import EnvironmentSource
from vo_auth.flows import LoginRequest, PastedToken
from vo_auth.registry import Registry
from vo_auth.testing import assert_no_secret
from vo_auth.wallet import Wallet

from .conftest import PAGES, PASSWORD, PERMIT, Net, Server, Tls

SECRETS = [PASSWORD, PERMIT]
NUMBERS = itertools.count()
TOLD = (
    Tell(trouble=Trouble.LOCKED, statuses=(401, 403), text="locked"),
    Tell(trouble=Trouble.SECOND_FACTOR, statuses=(401,), text="one[- ]time code|second factor"),
    Tell(trouble=Trouble.LICENCE, statuses=(403,), text="terms of use|EULA"),
    Tell(trouble=Trouble.NOT_ENTITLED, statuses=(403,), text="not authorised for this service"),
    Tell(trouble=Trouble.BLOCKED, statuses=(403, 429, 503), text="your (ip|address).*blocked"),
    Tell(trouble=Trouble.BLOCKED, statuses=(403,), text="your (ip|address).*blocked", at="data"),
    Tell(trouble=Trouble.LICENCE, statuses=(403,), text="licence", at="data"),
)


@dataclass
class Stage:
    """Where one failure happens: a login server, a data server, and the archive on both."""

    net: Net
    tls: Tls
    environment: pytest.MonkeyPatch
    login: Server
    data: Server
    archive: Archive

    def login_answers(self, status: int, body: bytes = b"", *headers: tuple[str, str]) -> None:
        # the server repeats what it was sent, as careless ones do: nothing of it may come through
        self.login.reply(status, *headers, body=body + f" you sent {PASSWORD}".encode())

    def data_answer(self, status: int, body: bytes = b"", *headers: tuple[str, str]) -> None:
        self.data.reply(status, *headers, body=body + f" you sent {PERMIT}".encode())

    def move_login(self, url: str) -> None:
        self.archive = self.net.archive(self.data.url, url, told=TOLD)

    def judged(self, verdict: Verdict) -> None:
        self.archive = replace(self.archive, judge=lambda answer: verdict if answer.status == 200 else Verdict.OK)


@pytest.fixture
def stage(net: Net, tls: Tls, monkeypatch: pytest.MonkeyPatch) -> Stage:
    login, data = net.server(), net.server()
    login.reply(200, body=PERMIT.encode())
    net.credentials(username="alice", password=f"{PASSWORD}-{next(NUMBERS)}")  # a rejected one is not sent again
    return Stage(net, tls, monkeypatch, login, data, net.archive(data.url, login.url, told=TOLD))


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tls_login(stage: Stage, *, trusted: bool, **options: Any) -> None:
    stage.move_login(stage.net.server(stage.tls.context(**options)).url)
    if trusted:
        stage.environment.setenv("REQUESTS_CA_BUNDLE", stage.tls.bundle)


def through_proxy(stage: Stage, status: int) -> None:
    proxy = stage.net.server()
    proxy.reply(status)
    stage.environment.setenv("HTTPS_PROXY", proxy.url.replace("//", "//proxy-user:obviously-fake-planted-proxy@"))
    stage.move_login("https://login.example.org")


def without_credentials(stage: Stage) -> None:
    for name in ("USERNAME", "PASSWORD"):
        stage.environment.delenv(f"VO_AUTH_ALPHA_{name}")


def ended_permit(stage: Stage) -> None:
    """The flow brings a permit that the server's own clock calls ended."""
    flow = LoginRequest(
        url=f"{stage.login.url}/login", answer="text", present="bearer", expires=lambda _: time.time() - 60
    )
    stage.archive = replace(stage.archive, flows=(flow,))


def open_file(stage: Stage, folder: Any) -> None:
    path = folder / "password"
    path.write_text(PASSWORD)
    path.chmod(0o644)
    stage.environment.delenv("VO_AUTH_ALPHA_PASSWORD")
    stage.environment.setenv("VO_AUTH_ALPHA_PASSWORD_FILE", str(path))


LONG_AGO, LATER = datetime.datetime(2020, 1, 1), datetime.datetime(2090, 1, 1)

# failure: how it is made, the class of the error, words of its first line, the remedy in it
LOGIN: dict[str, tuple[Callable[[Stage], object], type[Exception], str, str]] = {
    "wrong password": (
        lambda s: s.login_answers(401, b"Invalid credentials."),
        errors.CredentialsRejectedError,
        "did not accept the credentials (status 401)",
        "vo-auth login alpha",
    ),
    "account locked": (
        lambda s: s.login_answers(401, b"This account is locked."),
        errors.AccountLockedError,
        "has locked the account (status 401)",
        PAGES.account,
    ),
    "account locked, by the status that HTTP has for it": (
        lambda s: s.login_answers(423),
        errors.AccountLockedError,
        "has locked the account (status 423)",
        PAGES.account,
    ),
    "second factor needed": (
        lambda s: s.login_answers(401, b"Enter your one-time code"),
        errors.SecondFactorError,
        "wants a second factor",
        PAGES.account,
    ),
    "terms not accepted": (
        lambda s: s.login_answers(403, b"Accept the EULA first"),
        errors.LicenceRequiredError,
        "wants its licence or terms accepted",
        PAGES.profile,
    ),
    "account not entitled": (
        lambda s: s.login_answers(403, b"You are not authorised for this service"),
        errors.NotEntitledError,
        "may not log in here (status 403)",
        PAGES.rights,
    ),
    "address blocked": (
        lambda s: s.login_answers(429, b"Your IP 192.0.2.1 is blocked"),
        errors.AddressBlockedError,
        "blocks the network address of this machine",
        "use another network",
    ),
    "server in trouble": (
        lambda s: s.login_answers(503, b"", ("Retry-After", "30")),
        errors.LoginUnreachableError,
        "answers a login with status 503",
        "try again later",
    ),
    "captive portal": (
        lambda s: s.login_answers(302, b"", ("Location", "https://portal.example/login")),
        errors.LoginAnswerError,
        "redirects the login (status 302)",
        "captive portal",
    ),
    "nonsense": (
        lambda s: s.login_answers(200, b"<html>" + b" " * 70_000),
        errors.LoginAnswerError,
        "answered more than",
        "to a login",
    ),
    "network down": (
        lambda s: s.move_login(f"http://127.0.0.1:{closed_port()}"),
        errors.LoginUnreachableError,
        "cannot be reached (no connection)",
        "try again later",
    ),
    "connection dropped": (
        lambda s: s.login.drop(),
        errors.LoginUnreachableError,
        "cannot be reached (no connection)",
        "try again later",
    ),
    "name unknown": (
        lambda s: s.move_login("https://login.example.org"),
        errors.LoginUnreachableError,
        "its name cannot be looked up",
        "is this machine online?",
    ),
    "TLS interception": (
        lambda s: tls_login(s, trusted=False),
        errors.LoginCertificateError,
        "its certificate is not trusted",
        "REQUESTS_CA_BUNDLE",
    ),
    "no TLS": (
        lambda s: s.move_login(s.net.server().url.replace("http://", "https://")),
        errors.LoginCertificateError,
        "does not speak TLS as it should",
        "vo-auth doctor --network",
    ),
    "clock before the certificate": (
        lambda s: tls_login(s, trusted=True, not_before=LATER, not_after=LATER + datetime.timedelta(days=9)),
        errors.ClockError,
        "is not valid yet by this machine's clock",
        "set the clock",
    ),
    "clock behind the certificate": (
        lambda s: tls_login(s, trusted=True, not_before=LONG_AGO, not_after=LONG_AGO + datetime.timedelta(days=9)),
        errors.ClockError,
        "has ended by this machine's clock",
        "set the clock",
    ),
    "proxy wants a password": (
        lambda s: through_proxy(s, 407),
        errors.LoginProxyError,
        "wants a user name and password of its own",
        "HTTPS_PROXY",
    ),
    "proxy refuses": (
        lambda s: through_proxy(s, 403),
        errors.LoginProxyError,
        "does not let it through (status 403)",
        "HTTPS_PROXY",
    ),
    "no credentials": (
        without_credentials,
        errors.CredentialsNotFoundError,
        "No credentials for Archive Alpha",
        "VO_AUTH_ALPHA_USERNAME and VO_AUTH_ALPHA_PASSWORD",
    ),
    "permit has ended": (
        ended_permit,
        errors.PermitExpiredError,
        "has ended",
        "get a new one",
    ),
}

# failure on the data's own path, with a permit that was just obtained
WITH_A_PERMIT: dict[str, tuple[Callable[[Stage], object], type[Exception], str, str]] = {
    "address blocked": (
        lambda s: s.data_answer(403, b"Your address is blocked"),
        errors.AddressBlockedError,
        "blocks the network address of this machine (status 403)",
        PAGES.rights,
    ),
    "licence missing": (
        lambda s: s.data_answer(403, b"Accept the licence"),
        errors.LicenceRequiredError,
        "wants its licence",
        PAGES.profile,
    ),
    "login page": (
        lambda s: s.judged(Verdict.LOGIN_PAGE),
        errors.LoginPageError,
        "answers with a login page",
        "vo-auth login alpha",
    ),
    "dead permit": (
        lambda s: s.judged(Verdict.DEAD),
        errors.PermitExpiredError,
        "does not accept the permit",
        "vo-auth login alpha",
    ),
    "network down": (
        lambda s: s.data.drop(),
        requests.ConnectionError,
        "",
        "",
    ),
}

# answers that go back to the caller, with one warning
WARNED: dict[str, tuple[Callable[[Stage], object], int, type[Warning], str, str]] = {
    "401": (
        lambda s: s.data_answer(401, b"", ("WWW-Authenticate", "Bearer")),
        401,
        errors.RefusedWarning,
        "refused a valid permit of account 'alice' with status 401",
        PAGES.rights,
    ),
    "403": (
        lambda s: s.data_answer(403, b"no"),
        403,
        errors.NotEntitledWarning,
        "does not let account 'alice' have this (status 403)",
        PAGES.rights,
    ),
    "answered as anonymous": (
        lambda s: s.judged(Verdict.ANONYMOUS),
        200,
        errors.RefusedWarning,
        "as if there were none",
        PAGES.rights,
    ),
}


def failure(stage: Stage, kind: type[Exception]) -> Exception:
    session = stage.net.session(stage.archive)
    with pytest.raises(kind) as caught:
        session.get(f"{stage.data.url}/rows?QUERY=x", timeout=20)
    return caught.value


def assert_told(error: Exception, kind: type[Exception], words: str, remedy: str) -> None:
    first = str(error).partition("\n")[0]
    assert type(error) is kind
    assert words in first
    assert remedy in first


def traced_secrets(caplog: pytest.LogCaptureFixture) -> list[object]:
    return [caplog.records, caplog.text]


@pytest.mark.parametrize(("make", "kind", "words", "remedy"), LOGIN.values(), ids=LOGIN)
def test_a_failure_of_a_login_has_a_class_a_message_and_a_remedy(
    make: Callable[[Stage], object],
    kind: type[Exception],
    words: str,
    remedy: str,
    stage: Stage,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    make(stage)
    error = failure(stage, kind)
    assert_told(error, kind, words, remedy)
    assert isinstance(error, requests.RequestException)
    assert not isinstance(error, requests.HTTPError | requests.ConnectionError)
    assert stage.data.received == []  # nothing went anonymously
    assert_no_secret(SECRETS, error, *traced_secrets(caplog))
    # the frames of requests above the edge know the user's own proxy
    assert_no_secret(["obviously-fake-planted-proxy"], str(error), repr(error), *traced_secrets(caplog))


@pytest.mark.parametrize(("make", "kind", "words", "remedy"), WITH_A_PERMIT.values(), ids=WITH_A_PERMIT)
def test_a_failure_with_a_permit_has_a_class_a_message_and_a_remedy(
    make: Callable[[Stage], object],
    kind: type[Exception],
    words: str,
    remedy: str,
    stage: Stage,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    make(stage)
    error = failure(stage, kind)
    assert_told(error, kind, words, remedy)
    assert not isinstance(error, errors.CredentialsError)
    assert len(stage.login.received) <= 2
    assert_no_secret(SECRETS, error, *traced_secrets(caplog))


@pytest.mark.parametrize(("make", "status", "kind", "words", "remedy"), WARNED.values(), ids=WARNED)
def test_an_answer_about_rights_goes_back_with_one_warning_and_nobody_is_asked(
    make: Callable[[Stage], object],
    status: int,
    kind: type[Warning],
    words: str,
    remedy: str,
    stage: Stage,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def asked(*_: object, **__: object) -> str:
        raise AssertionError("a person was asked")

    monkeypatch.setattr("getpass.getpass", asked)
    monkeypatch.setattr("vo_auth.credentials.prompt.is_interactive", lambda: True)
    caplog.set_level(logging.DEBUG)
    make(stage)
    session = stage.net.session(stage.archive, interactive=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        answers = [session.get(f"{stage.data.url}/rows", timeout=20) for _ in range(2)]
    said = [one for one in caught if issubclass(one.category, errors.VoAuthWarning)]
    assert [answer.status_code for answer in answers] == [status, status]
    assert [one.category for one in said] == [kind]
    assert words in str(said[0].message)
    assert remedy in str(said[0].message)
    assert len(stage.login.received) == 1
    assert_no_secret(SECRETS, str(said[0].message), *traced_secrets(caplog))


def test_a_file_with_a_password_that_others_may_read_is_said_with_the_command(stage: Stage, tmp_path) -> None:
    open_file(stage, tmp_path)
    error = failure(stage, errors.UnusableCredentialsError)
    assert_told(error, errors.UnusableCredentialsError, "is open to other users", "chmod 600")
    assert_no_secret(SECRETS, error)


def test_a_permit_that_cannot_live_long_enough_is_said_before_the_work(stage: Stage) -> None:
    flow = LoginRequest(url=f"{stage.login.url}/login", answer="text", present="bearer", life=60)
    session = stage.net.session(replace(stage.archive, flows=(flow,)), min_life="8h")
    with pytest.raises(errors.PermitLifeError, match=r"gives permits for 60 s.*ask for less") as caught:
        session.get(f"{stage.data.url}/rows")
    assert_no_secret(SECRETS, caught.value)


@pytest.mark.parametrize("body", [b"This account is locked.", b"Enter your one-time code"])
def test_what_a_login_told_is_not_tried_again_by_itself(body: bytes, stage: Stage) -> None:
    stage.login_answers(401, body)
    failure(stage, errors.CredentialsRejectedError)
    error = failure(stage, errors.CredentialsRejectedError)
    assert "are not sent again" in str(error)
    assert len(stage.login.received) == 1


def test_a_network_failure_is_never_called_wrong_credentials_and_is_tried_again(stage: Stage) -> None:
    stage.login.drop()
    error = failure(stage, errors.LoginUnreachableError)
    assert "did not accept" not in str(error)
    stage.login.reply(200, body=PERMIT.encode())
    with stage.net.session(stage.archive) as session:
        assert session.get(f"{stage.data.url}/rows").ok


def test_a_second_factor_names_the_flow_that_a_person_can_take(stage: Stage) -> None:
    stage.login_answers(401, b"second factor")
    pages = Pages(token="https://archive.example.org/token")
    archive = replace(stage.archive, flows=(*stage.archive.flows, PastedToken()), pages=pages)
    stage.archive = archive
    error = failure(stage, errors.SecondFactorError)
    assert 'Copy the token from https://archive.example.org/token and run: vo-auth login alpha --flow "pasted' in str(
        error
    )


def test_without_signs_of_the_archive_a_refusal_is_what_the_flow_says(stage: Stage) -> None:
    stage.archive = replace(stage.archive, told=())
    stage.login_answers(401, b"This account is locked.")
    assert type(failure(stage, errors.CredentialsRejectedError)) is errors.CredentialsRejectedError


@pytest.mark.parametrize("wrong", [-86_400, 86_400])
def test_a_wrong_clock_neither_loops_nor_goes_anonymous(wrong: int, stage: Stage) -> None:
    """The login's own Date says what time it is."""
    end = time.time() + 3600
    flow = LoginRequest(url=f"{stage.login.url}/login", answer="text", present="bearer", expires=lambda _: end)
    archive = replace(stage.archive, flows=(flow,))
    wallet = Wallet(None, [EnvironmentSource()], clock=Clock(wall=lambda: time.time() + wrong))
    with vo_auth.AuthSession(url=stage.data.url, wallet=wallet, registry=Registry([archive])) as session:
        assert [session.get(f"{stage.data.url}/rows").status_code for _ in range(3)] == [200] * 3
    assert len(stage.login.received) == 1
    assert all(headers.get("authorization") == f"Bearer {PERMIT}" for _, _, headers in stage.data.received)


@pytest.mark.parametrize(
    "options", [{}, {"text": "("}, {"statuses": ()}], ids=["nothing", "no expression", "no status"]
)
def test_a_sign_that_can_never_fit_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="tell"):
        Tell(trouble=Trouble.LOCKED, **options)


@pytest.mark.parametrize(("status", "logins"), [(401, 2), (403, 1)])
def test_an_old_permit_is_replaced_after_a_401_and_never_after_a_403(status: int, logins: int, stage: Stage) -> None:
    passed = [0.0]
    clock = Clock(wall=lambda: time.time() + passed[0], elapsed=lambda: time.monotonic() + passed[0])
    wallet = Wallet(None, [EnvironmentSource()], clock=clock)
    with vo_auth.AuthSession(url=stage.data.url, wallet=wallet, registry=Registry([stage.archive])) as session:
        assert session.get(f"{stage.data.url}/rows").ok
        passed[0] = 600.0
        stage.login.reply(200, body=f"{PERMIT}-2".encode())
        stage.data_answer(status)
        with pytest.warns(errors.RefusedWarning):
            session.get(f"{stage.data.url}/rows")
    assert len(stage.login.received) == logins
