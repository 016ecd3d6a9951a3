"""Attached astroquery objects: which instances are covered, and whose answers its cache gives to whom."""

from __future__ import annotations

import contextlib
import copy
import logging
import pickle
import stat
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keyring
import pytest
import requests
from requests.structures import CaseInsensitiveDict

import vo_auth
from vo_auth.errors import AttachError, CallerHeaderWarning, CredentialsNotFoundError
from vo_auth.mounts import Adapters
from vo_auth.testing import assert_no_secret
from vo_auth_eso.standin import CONFIDENTIAL_RUN, PROPRIETARY_RUN, STANDIN
from vo_auth_eso.standin.holdings import raw_frames

with warnings.catch_warnings(action="ignore"):
    from astroquery import log
    from astroquery.eso import Eso, EsoClass

ESO = "https://archive.eso.org"
PAGE = f"{ESO}/tap_obs/availability"
SEARCH = f"{ESO}/tap_obs/sync"
OWN_ROWS = {  # the PI sees five, everybody else none
    "REQUEST": "doQuery",
    "LANG": "ADQL",
    "FORMAT": "csv",
    "QUERY": f"SELECT dp_id FROM dbo.raw WHERE prog_id = '{CONFIDENTIAL_RUN}'",
}
PI, NOBODY = STANDIN.credentials["pi"], STANDIN.credentials["norights"]
MINE = raw_frames(PROPRIETARY_RUN)[0].dp_id
without_credentials = pytest.mark.vo_auth_sandbox(credentials=False)


@pytest.fixture(autouse=True)
def _sandbox(sandbox) -> None:
    """Every test here talks to the stand-in."""


def attached(folder: Path | None = None, **options: Any) -> Any:
    eso = vo_auth.attach(Eso(), **options)
    if folder is not None:
        eso.cache_location = folder
    return eso


def rows(eso: Any, **options: Any) -> int:
    """Search by a request that astroquery caches."""
    answer = eso._request("GET", SEARCH, params=OWN_ROWS, cache=True, **options)
    return len(answer.text.splitlines()) - 1


# ------------------------------------------------------------------ which instances


@pytest.fixture
def own_class() -> type:
    """A class to attach, so that no other test meets an attached EsoClass."""
    return type("EsoClass", (EsoClass,), {"__module__": EsoClass.__module__})


@pytest.fixture
def eso_class() -> Iterator[type]:
    """astroquery's own class; attached only for the length of a test."""
    yield EsoClass
    vo_auth.detach(EsoClass)


def carries(eso: Any, sent: Callable[..., Any]) -> bool:
    (request,) = sent(lambda: eso._request("GET", PAGE, cache=False))
    return bool(request.authorization)


def test_an_attached_class_covers_instances_that_it_makes_later(eso_class, sent) -> None:
    before = Eso()
    assert vo_auth.attach(eso_class) is eso_class
    later = EsoClass()
    assert (carries(before, sent), carries(later, sent), carries(before(), sent)) == (False, True, True)
    assert vo_auth.attach(eso_class) is eso_class
    assert carries(EsoClass(), sent)
    vo_auth.detach(eso_class)
    assert (carries(EsoClass(), sent), carries(later, sent)) == (False, True)
    assert not carries(vo_auth.detach(later), sent)
    assert type(later) is EsoClass


def test_an_attached_class_is_given_back_as_it_was(eso_class, own_class) -> None:
    for kind in (eso_class, own_class):
        before = dict(vars(kind))
        vo_auth.attach(kind)
        assert vo_auth.detach(kind) is kind
        assert dict(vars(kind)) == before


@pytest.mark.parametrize("name", ["inherits", "calls first", "calls last"])
def test_an_attached_class_covers_its_subclasses(name, own_class, sent) -> None:
    class First(own_class):
        def __init__(self) -> None:
            self.other = requests.Session()
            super().__init__()

    class Last(own_class):
        def __init__(self) -> None:
            super().__init__()
            self.other = requests.Session()

    kind = {"inherits": type("Own", (own_class,), {}), "calls first": Last, "calls last": First}[name]
    vo_auth.attach(own_class)
    instance = kind()
    assert isinstance(instance, kind)
    assert carries(instance, sent)
    if name != "inherits":
        (request,) = sent(lambda: instance.other.get(PAGE))
        assert request.authorization
    assert type(vo_auth.detach(instance)) is kind


def test_a_fresh_instance_of_an_attached_one_is_attached_too(sent) -> None:
    eso = attached()
    assert carries(eso(), sent)
    assert type(vo_auth.detach(eso)) is EsoClass
    assert not carries(eso(), sent)


@pytest.mark.parametrize("again", [lambda eso: pickle.loads(pickle.dumps(eso)), copy.copy, copy.deepcopy])
def test_a_copy_of_an_attached_instance_is_attached_too(again, sent) -> None:
    eso = attached()
    other = again(eso)
    assert carries(other, sent)
    assert other.cache_location == eso.cache_location
    assert type(vo_auth.detach(other)) is EsoClass


def test_a_session_that_replaces_the_one_of_an_instance_is_covered(sent) -> None:
    eso = attached()
    eso._session = requests.Session()
    assert carries(eso, sent)
    vo_auth.detach(eso)
    assert not isinstance(eso._session.adapters, Adapters)


def test_an_instance_with_one_session_of_another_account_is_refused_whole() -> None:
    eso = Eso()
    eso.other = vo_auth.attach(requests.Session(), account="other")
    with pytest.raises(AttachError, match="already"):
        vo_auth.attach(eso, account="mine")
    assert type(eso) is EsoClass
    assert not isinstance(eso._session.adapters, Adapters)


def test_an_attached_class_refuses_another_account_and_stays_as_it_is(own_class) -> None:
    vo_auth.attach(own_class, account="first")
    init = own_class.__init__
    with pytest.raises(AttachError, match="already"):
        vo_auth.attach(own_class, account="second")
    assert own_class.__init__ is init
    instance = own_class()
    with pytest.raises(AttachError, match="already"):
        vo_auth.attach(instance, account="second")
    vo_auth.attach(instance, account="first")


# ------------------------------------------------------------------ whose answers


def test_an_answer_is_kept_for_the_one_who_asked(tmp_path, sent) -> None:
    eso = attached(tmp_path)
    assert rows(eso) == 5
    assert sent(lambda: rows(eso)) == []  # from the cache
    assert sent(lambda: rows(attached(tmp_path))) == []
    assert rows(attached(tmp_path)) == 5


def test_an_answer_to_an_account_is_not_given_to_the_anonymous_nor_theirs_to_it(tmp_path) -> None:
    eso = attached(tmp_path)
    assert rows(eso) == 5
    with vo_auth.anonymous():
        assert rows(eso) == 0
        assert rows(eso) == 0
    assert rows(eso) == 5


def test_an_answer_to_the_anonymous_is_not_given_to_an_account(tmp_path) -> None:
    eso = attached(tmp_path)
    with vo_auth.anonymous():
        assert rows(eso) == 0
    assert rows(eso) == 5


def test_an_answer_to_one_account_is_not_given_to_another(tmp_path, monkeypatch) -> None:
    first = attached(tmp_path)
    assert rows(first) == 5
    for name, value in NOBODY.items():
        monkeypatch.setenv(f"VO_AUTH_ESO_{name.upper()}", value)
    assert rows(attached(tmp_path)) == 0
    assert rows(first) == 5  # a session is one person; what it is answered goes to that person's folder
    assert rows(attached(tmp_path)) == 0


@without_credentials
@pytest.mark.parametrize("account", [None, "mine"])
def test_an_answer_from_before_a_login_is_not_given_after_it(account, tmp_path, recwarn) -> None:
    assert rows(attached(tmp_path, required=False, account=account)) == 0
    vo_auth.login("eso", account=account, **PI)
    assert rows(attached(tmp_path, required=False, account=account)) == 5
    assert len(recwarn) == 1  # the first request went anonymously


@without_credentials
@pytest.mark.parametrize("account", [None, "mine"])
def test_an_answer_is_not_given_after_logout(account, tmp_path) -> None:
    vo_auth.login("eso", account=account, **PI)
    eso = attached(tmp_path, account=account)
    assert rows(eso) == 5
    vo_auth.logout("eso")
    for one in (eso, attached(tmp_path, account=account)):
        with pytest.raises(CredentialsNotFoundError):
            rows(one)


@without_credentials
def test_an_answer_is_not_given_to_who_logs_in_next(tmp_path) -> None:
    vo_auth.login("eso", **PI)
    assert rows(attached(tmp_path)) == 5
    vo_auth.logout("eso")
    vo_auth.login("eso", **NOBODY)
    assert rows(attached(tmp_path)) == 0
    vo_auth.login("eso", **PI)
    assert rows(attached(tmp_path)) == 5


@without_credentials
def test_an_answer_to_the_anonymous_does_not_hide_that_credentials_are_missing(tmp_path, recwarn) -> None:
    """Invariant 3."""
    assert rows(attached(tmp_path, required=False)) == 0
    with vo_auth.anonymous():
        assert rows(attached(tmp_path)) == 0
    with pytest.raises(CredentialsNotFoundError):
        rows(attached(tmp_path))


@without_credentials
def test_a_user_whom_only_the_keyring_knows_is_told_apart(tmp_path, monkeypatch) -> None:
    users = iter((PI, NOBODY))
    monkeypatch.delenv("PYTHON_KEYRING_BACKEND")
    current = {}

    class Ring(keyring.backend.KeyringBackend):
        priority = 1

        def get_password(self, service: str, username: str) -> str | None:
            return current["password"] if service == "astroquery:www.eso.org" else None

        def get_credential(self, service: str, username: str | None) -> Any:
            found = service == "astroquery:www.eso.org"
            return keyring.credentials.SimpleCredential(current["username"], current["password"]) if found else None

        def set_password(self, service: str, username: str, password: str) -> None: ...

    monkeypatch.setattr(keyring, "get_keyring", Ring)
    ring = Ring()
    monkeypatch.setattr(keyring, "get_password", ring.get_password)
    monkeypatch.setattr(keyring, "get_credential", ring.get_credential)
    found = []
    for user in users:
        current.update(user)
        found.append(rows(attached(tmp_path)))
        vo_auth.logout("eso")
    assert found == [5, 0]


@pytest.mark.filterwarnings("ignore::vo_auth.errors.CallerHeaderWarning")
@pytest.mark.parametrize("context", [contextlib.nullcontext, vo_auth.anonymous], ids=["an account", "anonymous"])
def test_an_answer_to_a_header_of_the_callers_own_is_not_kept(context, tmp_path, monkeypatch) -> None:
    """astroquery's own login leaves such a header on the session: nobody knows whose it is."""
    token = vo_auth.token(ESO).reveal()
    for name, value in NOBODY.items():
        monkeypatch.setenv(f"VO_AUTH_ESO_{name.upper()}", value)
    eso = attached(tmp_path)
    with context():
        eso._session.headers["Authorization"] = f"Bearer {token}"
        assert rows(eso) == 5
        del eso._session.headers["Authorization"]
        assert rows(eso) == 0
    assert_no_secret([token], tmp_path)


def test_astroquerys_own_login_still_works_and_its_token_stays(tmp_path, monkeypatch, sandbox) -> None:
    eso = attached(tmp_path)
    monkeypatch.setattr(keyring, "get_password", lambda *_: NOBODY["password"])
    eso.login(username=NOBODY["username"])
    assert eso.authenticated()
    with pytest.warns(CallerHeaderWarning):  # it sets a header for each download
        assert eso.retrieve_data([MINE], destination=str(tmp_path)) == []
    assert sandbox.bench("eso").counters["logins"] == 1
    vo_auth.detach(eso)
    assert eso.authenticated()


@pytest.mark.parametrize("labels", [("a/b", "a_b"), ("Name", "name"), ("x" * 300 + "1", "x" * 300 + "2"), ("..", ".")])
@without_credentials
def test_each_account_has_a_folder_of_its_own_below_astroquerys(labels, tmp_path) -> None:
    folders = set()
    for label in labels:
        vo_auth.login("eso", account=label, **PI)
        folders.add(attached(tmp_path, account=label).cache_location)
    assert len({str(folder).lower() for folder in folders}) == 2
    assert {folder.parent for folder in folders} == {tmp_path / "vo_auth"}


def test_its_folder_is_for_its_owner_alone_and_holds_no_secret(tmp_path, sandbox) -> None:
    eso = attached(tmp_path)
    folder = eso.cache_location
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o755)
    rows(eso)
    eso._request("GET", "http://archive.eso.org/tap_obs/availability", cache=True)  # upgraded
    lead = {"ID": "ivo://eso.org/ID?SPHER.2016-09-26T04:15:07.252", "eso_download": "file"}
    assert eso._request("GET", f"{ESO}/datalink/links", params=lead, cache=True).history  # redirected
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert len(list(folder.glob("*.pickle"))) == 3
    tokens = {one.authorization.removeprefix("Bearer ") for one in sandbox.received.all() if one.authorization}
    assert tokens
    assert_no_secret([*tokens, PI["password"]], tmp_path)


def test_explain_says_of_a_kept_answer_with_whose_permit_it_came(tmp_path, sent) -> None:
    eso = attached(tmp_path)
    first = eso._request("GET", PAGE, cache=True)
    answers: list[requests.Response] = []
    assert sent(lambda: answers.append(eso._request("GET", PAGE, cache=True))) == []
    assert vo_auth.explain(answers[0]) == vo_auth.explain(first)
    assert vo_auth.explain(answers[0]).hops[0].account == "DEMOPI"


@pytest.mark.parametrize("level", [logging.DEBUG, 5], ids=["requests", "answers"])
def test_astroquerys_own_log_shows_no_permit(level, tmp_path, sandbox) -> None:
    eso, before = attached(tmp_path), log.level
    log.setLevel(level)  # it writes requests at DEBUG, answers below
    try:
        with log.log_to_list() as records:
            rows(eso)
            eso.retrieve_data("SPHER.2016-09-26T04:15:07.252", destination=str(tmp_path))
    finally:
        log.setLevel(before)
    text = "\n".join(record.getMessage() for record in records)
    assert ("HTTP request" if level == logging.DEBUG else "HTTP response") in text
    tokens = {one.authorization.removeprefix("Bearer ") for one in sandbox.received.all() if one.authorization}
    assert tokens
    assert_no_secret([*tokens, PI["password"]], text, list(records))


def test_detach_gives_class_and_cache_folder_back(tmp_path) -> None:
    eso = Eso()
    before, keys = eso.cache_location, set(vars(eso))
    vo_auth.attach(eso)
    assert eso.cache_location.parent.parent == before
    assert eso.cache_location.name.startswith("eso-DEMOPI-")
    eso.cache_location = tmp_path
    assert eso.cache_location.parent.parent == tmp_path
    rows(eso)
    vo_auth.detach(eso)
    assert eso.cache_location == tmp_path
    eso.reset_cache_location()
    assert eso.cache_location == before
    assert type(eso) is EsoClass
    assert set(vars(eso)) - {"_last_query"} == keys
    assert not hasattr(eso, "_vo_auth_attachment")
    assert rows(eso) == 0  # and no answer of the attached time


def test_a_range_header_that_our_error_leaves_behind_is_removed(tmp_path, monkeypatch) -> None:
    eso = attached(tmp_path)
    url = "https://dataportal.eso.org/dataPortal/file/SPHER.2016-09-26T04:15:07.252"
    (tmp_path / url.rpartition("/")[2]).write_bytes(b"the start")
    asked: list[str | None] = []

    def lose(response: requests.Response, **_: object) -> None:
        asked.append(response.request.headers.get("Range"))
        vo_auth.logout("eso")
        for name in ("USERNAME", "PASSWORD"):
            monkeypatch.delenv(f"VO_AUTH_ESO_{name}", raising=False)

    eso._session.hooks["response"].append(lose)
    with pytest.raises(CredentialsNotFoundError):
        eso._request("GET", url, save=True, savedir=str(tmp_path))
    assert asked == [None]  # the second request, with the header, did not leave
    assert "Range" not in eso._session.headers
    assert isinstance(eso._session.headers, CaseInsensitiveDict)


def test_a_part_of_a_file_that_is_here_is_completed(tmp_path) -> None:
    eso = attached(tmp_path)
    url = "https://dataportal.eso.org/dataPortal/file/SPHER.2016-09-26T04:15:07.252"
    whole = eso._session.get(url).content
    (tmp_path / url.rpartition("/")[2]).write_bytes(whole[:100])
    path = eso._request("GET", url, save=True, savedir=str(tmp_path))
    assert Path(path).read_bytes() == whole
    assert "Range" not in eso._session.headers
