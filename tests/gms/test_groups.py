"""The caller's groups: what is asked, and what an answer may be taken for."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

import vo_auth
from vo_auth.errors import (
    CredentialsNotFoundError,
    GroupsAnswerError,
    GroupsServiceUnknownError,
    PluginNotInstalledError,
)
from vo_auth.testing import assert_no_secret

HOST = "gms.alpha.example"
SEARCH = f"https://{HOST}/gms/search"
MINE = ["muse-gto", "Surveys.2026", "a~b_c-d,e"]


def text(body: bytes, kind: str | None = "text/plain", **more: Any) -> Any:
    headers = {"Content-Type": kind} if kind else {}
    return lambda request, user: web.Response(body=body, headers=headers, **more)


# -------------------------------------------------------------------- what is asked


@pytest.mark.parametrize(
    "name", ["alpha", f"https://{HOST}/tap/sync?QUERY=x", SEARCH, f"{SEARCH}/", f"https://user:pw@{HOST}/gms/search"]
)
def test_an_archive_is_named_by_its_name_or_by_any_url_of_it(stage: Any, name: str) -> None:
    assert vo_auth.groups(name) == MINE
    assert stage.asked == [""]
    assert stage.logins == 1


def test_the_permit_goes_to_the_service_and_the_login_is_the_one_of_all_sessions(stage: Any) -> None:
    assert vo_auth.login("alpha").user == "demo-pi"
    assert vo_auth.groups("alpha") == MINE
    assert stage.logins == 1
    assert stage.sandbox.received.at(HOST, "/gms/search")[0].authorization == "Bearer obviously-fake-token-1"


def test_a_url_that_ends_as_a_service_does_is_asked_itself(stage: Any) -> None:
    assert vo_auth.groups(f"https://{HOST}/mirror/search") == MINE
    assert stage.asked == []
    assert len(stage.sandbox.received.at(HOST, "/mirror/search")) == 1


def test_names_are_sent_once_each_and_come_back_in_their_order(stage: Any) -> None:
    assert vo_auth.groups("alpha", "nobodys", "a~b_c-d,e", "muse-gto", "muse-gto") == ["a~b_c-d,e", "muse-gto"]
    assert stage.asked == ["group=nobodys&group=a~b_c-d%2Ce&group=muse-gto"]


def test_only_names_that_were_asked_for_are_returned_whatever_the_service_says(stage: Any) -> None:
    stage.service.reply = text(b"muse-gto\r\nMUSE-GTO\r\nadmins\r\n")
    assert vo_auth.groups("alpha", "muse-gto", "Admins", "surveys.2026") == ["muse-gto"]


def test_too_many_names_for_a_url_are_looked_up_among_all(stage: Any) -> None:
    many = [f"group-number-{number}" for number in range(300)]
    assert vo_auth.groups("alpha", *many, "Surveys.2026") == ["Surveys.2026"]
    assert stage.asked == [""]


@pytest.mark.parametrize("name", ["", "two words", "x&group=admins", "a/b", "naïve", "a\nb", "a?b", "ivo://x/y?a b"])
def test_what_is_no_name_is_not_sent(stage: Any, name: str) -> None:
    with pytest.raises(ValueError, match="is no name of a group: letters, digits and"):
        vo_auth.groups("alpha", "muse-gto", name)
    assert len(stage.sandbox.received) == 0


def test_a_full_identifier_is_taken_where_it_is_said_whose_service_the_archives_is(stage: Any) -> None:
    name = "ivo://Alpha.example/gms?muse-gto"
    assert vo_auth.groups("alpha", name, "nobodys", service="ivo://alpha.example/GMS") == [name]
    assert stage.asked == ["group=muse-gto&group=nobodys"]


@pytest.mark.parametrize("service", ["", "ivo://alpha.example/other"])
def test_a_group_of_a_service_that_may_be_another_is_never_asked_by_its_bare_name(stage: Any, service: str) -> None:
    with pytest.raises(ValueError, match=r"service='ivo://beta\.example/gms'"):
        vo_auth.groups("alpha", "ivo://beta.example/gms?muse-gto", service=service)
    assert len(stage.sandbox.received) == 0


def test_a_named_account_asks_for_its_own_groups(stage: Any) -> None:
    assert vo_auth.login("alpha", username="demo-colleague", password="obviously-fake-colleague").user
    assert vo_auth.groups("alpha", account="demo-colleague") == ["muse-gto"]
    assert vo_auth.groups("alpha") == MINE


# -------------------------------------------------------------------- whom not to ask


def test_an_archive_without_a_service_says_how_to_name_one(stage: Any, archive: Any) -> None:
    object.__setattr__(archive, "groups", "")
    try:
        with pytest.raises(GroupsServiceUnknownError, match=r'groups = "https://…" under \[archive\.alpha\]'):
            vo_auth.groups("alpha")
        assert vo_auth.groups(SEARCH) == MINE
    finally:
        object.__setattr__(archive, "groups", SEARCH)


def test_a_url_of_a_service_with_names_in_it_is_refused(stage: Any) -> None:
    with pytest.raises(ValueError, match="as arguments, not in its URL"):
        vo_auth.groups(f"{SEARCH}?group=admins")
    assert len(stage.sandbox.received) == 0


def test_a_service_outside_of_the_archives_domains_gets_neither_permit_nor_question(stage: Any, archive: Any) -> None:
    for url in (f"https://{HOST}/private/search", "https://gms.elsewhere.example/gms/search"):
        object.__setattr__(archive, "groups", url)
        try:
            with pytest.raises(GroupsServiceUnknownError, match="outside of the archive's domains"):
                vo_auth.groups("alpha", "muse-gto")
        finally:
            object.__setattr__(archive, "groups", SEARCH)
    assert len(stage.sandbox.received) == 0


def test_a_url_that_no_plugin_knows_is_not_asked(stage: Any) -> None:
    with pytest.raises(PluginNotInstalledError):
        vo_auth.groups("https://gms.elsewhere.example/gms/search")
    assert stage.outside() == 0


def test_an_anonymous_block_asks_nobody(stage: Any) -> None:
    assert vo_auth.groups("alpha") == MINE
    with vo_auth.anonymous(), pytest.raises(CredentialsNotFoundError, match=r"vo_auth\.anonymous\(\) keeps permits"):
        vo_auth.groups("alpha")
    assert stage.asked == [""]


def test_without_credentials_nothing_is_asked(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"VO_AUTH_ALPHA_{name}")
    with pytest.raises(CredentialsNotFoundError, match="vo-auth login alpha"):
        vo_auth.groups("alpha", interactive=False)
    assert len(stage.sandbox.received) == 0


# -------------------------------------------------------------------- what an answer is


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b"", []),
        (b"one\r\ntwo\r\n", ["one", "two"]),
        (b"one\ntwo\n", ["one", "two"]),
        (b"\r\none\r\n\n  two \t\ntwo\r\n\r\n", ["one", "two"]),
        (b"one\r\ntwo", ["one", "two"]),
    ],
)
def test_names_are_lines_however_they_end(stage: Any, body: bytes, names: list[str]) -> None:
    stage.service.reply = text(body, "text/plain; charset=UTF-8")
    assert vo_auth.groups("alpha") == names


PAGE = b"<!DOCTYPE html><html><body>Please log in</body></html>"
VOTABLE = b'<?xml version="1.0"?><VOTABLE version="1.4"><RESOURCE/></VOTABLE>'


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (PAGE, "text/html"),
        (b"admins", "text/html; charset=utf-8"),
        (VOTABLE, "application/x-votable+xml"),
        (b"", "application/x-votable+xml"),
        (b'["admins"]', "application/json"),
        (PAGE, "text/plain"),
        (VOTABLE, None),
        (b"admins\r\nplease log in\r\n", "text/plain"),
        (b"admins\rowners\r\n", "text/plain"),
        (b"admins\x0bowners\r\n", "text/plain"),
        (b"ivo://x/gms?admins\r\n", "text/plain"),
        ("naïve\r\n".encode("latin-1"), "text/plain"),
        (b"\xef\xbb\xbfadmins\r\n", "text/plain"),
    ],
)
def test_anything_else_is_an_error_and_never_taken_for_groups(stage: Any, body: bytes, kind: str | None) -> None:
    stage.service.reply = text(body, kind)
    for names in ((), ("admins",)):
        with pytest.raises(GroupsAnswerError, match=r"is it the access URL of a group membership service"):
            vo_auth.groups("alpha", *names)


def test_an_answer_of_a_mebibyte_is_read_and_a_larger_one_is_an_error(stage: Any) -> None:
    stage.service.reply = text(b"abcdefg\n" * (1024 * 128))
    assert vo_auth.groups("alpha") == ["abcdefg"]
    stage.service.reply = text(b"abcdefg\n" * (1024 * 128) + b"\n")
    with pytest.raises(GroupsAnswerError, match="more than 1048576 bytes"):
        vo_auth.groups("alpha")


def test_a_small_answer_that_unpacks_to_a_large_one_is_an_error(stage: Any) -> None:
    import gzip

    body = gzip.compress(b"abcdefg\n" * (1024 * 1024))
    stage.service.reply = lambda *_: web.Response(
        body=body, content_type="text/plain", headers={"Content-Encoding": "gzip"}
    )
    with pytest.raises(GroupsAnswerError, match="more than 1048576 bytes"):
        vo_auth.groups("alpha")


def test_an_answer_of_unknown_length_whose_last_line_has_no_end_may_be_cut(stage: Any) -> None:
    def cut(request: web.Request, _: str) -> web.Response:
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nmuse-gto\r\nadmin")
        request.transport.close()
        return web.Response()

    stage.service.reply = cut
    with pytest.raises(GroupsAnswerError, match="of which the last may be cut"):
        vo_auth.groups("alpha")


def test_an_error_quotes_no_answer_and_holds_no_permit(stage: Any) -> None:
    stage.service.reply = text(b"hidden-name and-text\r\n")
    with pytest.raises(GroupsAnswerError) as caught:
        vo_auth.groups("alpha")
    assert_no_secret(["hidden-name"], str(caught.value))
    assert_no_secret([*stage.service.tokens, "obviously-fake-pi"], caught.value)
