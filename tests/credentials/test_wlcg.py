"""WLCG bearer token discovery, step by step, and for which archives a token that was found is used."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vo_auth import Archive, Domain, Known
from vo_auth.archive import Ambient
from vo_auth.credentials import Found, Passed, Wanted, WlcgSource
from vo_auth.errors import UnusableCredentialsError
from vo_auth.flows import OAuthServer, PasswordGrant, PastedToken
from vo_auth.flows.oauth import ClientCredentials
from vo_auth.testing import assert_no_secret

ISSUER = "https://issuer.example.org/"
HOST = "https://archive.example.org"
posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="user ids are of POSIX")
Jwt = Callable[..., str]


@pytest.fixture
def archive(make_archive: Callable[..., Archive]) -> Archive:
    return make_archive(PastedToken(), issuers=(ISSUER,), known=Known(ambient=Ambient(pattern=r"ours-\d")))


def find(archive: Archive, **changes: Any) -> Found | Passed | None:
    return WlcgSource().find(Wanted(**({"archive": archive, "flow": archive.flows[0]} | changes)))


def token_of(found: Found | Passed | None) -> str:
    assert isinstance(found, Found), found
    return found.values["token"].reveal()


def reason_of(found: Found | Passed | None) -> str:
    assert isinstance(found, Passed), found
    return found.reason


@pytest.fixture
def steps(tmp_path: Path, folder_of_all: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a text where each step looks; None: nothing there."""
    uid = os.geteuid() if hasattr(os, "geteuid") else 0
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    places = [tmp_path / "named", runtime / f"bt_u{uid}", folder_of_all / f"bt_u{uid}"]

    def put(value: str | None, *contents: str | None) -> None:
        if value is not None:
            monkeypatch.setenv("BEARER_TOKEN", value)
        for place, content in zip(places, contents, strict=True):
            if content is not None:
                place.write_text(content)
                place.chmod(0o600)
        if contents[0] is not None:
            monkeypatch.setenv("BEARER_TOKEN_FILE", str(places[0]))

    return put


# ---------------------------------------------------------------- the order


@posix
@pytest.mark.parametrize("first", range(4))
def test_the_first_step_that_has_a_token_is_taken(first: int, steps: Callable[..., None], archive: Archive) -> None:
    steps(*[None] * first, *(f"ours-{number}" for number in range(first, 4)))
    assert token_of(find(archive)) == f"ours-{first}"


@posix
@pytest.mark.parametrize("first", range(1, 4))
def test_an_empty_token_leads_to_the_next_step(first: int, steps: Callable[..., None], archive: Archive) -> None:
    steps(*[" \f\n\r\t\v"] * first, *(f"ours-{number}" for number in range(first, 4)))
    assert token_of(find(archive)) == f"ours-{first}"


@posix
@pytest.mark.parametrize("broken", range(4))
@pytest.mark.parametrize("text", ["obviously fake", "obviously-fake\xa0", "=obviously-fake"])
def test_what_is_no_token_ends_the_search_and_is_not_shown(
    broken: int, text: str, steps: Callable[..., None], archive: Archive
) -> None:
    steps(*[None] * broken, text, *["ours-9"] * (3 - broken))
    with pytest.raises(UnusableCredentialsError, match="is not a bearer token") as caught:
        find(archive)
    assert_no_secret([text.strip()], caught.value)


@posix
def test_another_token_is_not_tried_when_the_first_is_not_for_the_archive(
    steps: Callable[..., None], archive: Archive
) -> None:
    steps("theirs", "ours-1", "ours-2", "ours-3")
    assert "BEARER_TOKEN is not used" in reason_of(find(archive))


def test_white_space_around_a_token_does_not_count(steps: Callable[..., None], archive: Archive) -> None:
    steps("\v\t ours-1 \r\n\f", None, None, None)
    assert token_of(find(archive)) == "ours-1"


@posix
@pytest.mark.parametrize("step", [1, 2, 3])
def test_where_it_was_found_is_said(step: int, steps: Callable[..., None], archive: Archive) -> None:
    steps(None, *(["ours-1" if number == step else None for number in (1, 2, 3)]))
    found = find(archive)
    assert isinstance(found, Found)
    assert ("named", f"runtime/bt_u{os.geteuid()}", f"folder-of-all/bt_u{os.geteuid()}")[step - 1] in found.origin


def test_without_user_ids_the_variables_alone_are_looked_at(
    steps: Callable[..., None], archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps(None, None, "ours-2", "ours-3")
    monkeypatch.delattr(os, "geteuid", raising=False)
    assert find(archive) is None
    assert WlcgSource().looked_at(archive) == "not set: BEARER_TOKEN, BEARER_TOKEN_FILE"
    monkeypatch.setenv("BEARER_TOKEN", "ours-0")
    assert token_of(find(archive)) == "ours-0"


@posix
def test_nothing_anywhere_says_where_it_looked(steps: Callable[..., None], archive: Archive) -> None:
    assert find(archive) is None
    first, runtime, last = WlcgSource().looked_at(archive).split("; ")
    assert first == "not set: BEARER_TOKEN, BEARER_TOKEN_FILE"
    assert runtime.endswith(f"/runtime/bt_u{os.geteuid()}")
    assert last.endswith(f"/folder-of-all/bt_u{os.geteuid()}")


# ---------------------------------------------------------------- files


@posix
@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_file_that_others_may_read_is_refused_with_the_remedy(
    step: int, mode: int, steps: Callable[..., None], archive: Archive, tmp_path: Path
) -> None:
    steps(None, *("ours-1" if number == step else None for number in (1, 2, 3)))
    (place,) = [*tmp_path.glob("named"), *tmp_path.glob("*/bt_u*")]
    place.chmod(mode)
    with pytest.raises(UnusableCredentialsError, match=f"chmod 600 {place}"):
        find(archive)


@posix
@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_what_is_no_plain_file_in_a_folder_of_all_is_refused(
    kind: str, archive: Archive, folder_of_all: Path, tmp_path: Path
) -> None:
    place = folder_of_all / f"bt_u{os.geteuid()}"
    if kind == "link":
        (tmp_path / "elsewhere").write_text("ours-1")
        (tmp_path / "elsewhere").chmod(0o600)
        place.symlink_to(tmp_path / "elsewhere")
    elif kind == "folder":
        place.mkdir()
    else:
        os.mkfifo(place, 0o600)
    with pytest.raises(UnusableCredentialsError, match="The bearer token in"):
        find(archive)


@posix
def test_a_file_of_another_user_in_a_folder_of_all_is_refused(
    archive: Archive, folder_of_all: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    place = folder_of_all / f"bt_u{me + 1}"
    place.write_text("ours-1")
    place.chmod(0o644)
    with pytest.raises(UnusableCredentialsError, match="is a file of another user"):
        find(archive)


def test_a_file_that_is_named_and_missing_is_unusable(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEARER_TOKEN_FILE", "/nowhere/token")
    with pytest.raises(UnusableCredentialsError, match="/nowhere/token cannot be read"):
        find(archive)


# ---------------------------------------------------------------- for which archive, for which account


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": ISSUER}, ""),
        ({"iss": ISSUER, "aud": HOST}, ""),
        ({"iss": ISSUER, "aud": ["https://other.example.org", HOST]}, ""),
        ({"iss": ISSUER, "aud": "https://other.example.org"}, "its audience is not An Example Archive"),
        ({"iss": ISSUER, "aud": "some service"}, "its audience is not An Example Archive"),
        ({"iss": ISSUER, "aud": []}, "its audience is not An Example Archive"),
        ({"iss": ISSUER.rstrip("/")}, "its issuer is https://issuer.example.org, of which An Example Archive"),
        ({"iss": "https://evil.example.org/\x1b[2J"}, "its issuer is nobody who is named"),
        ({"sub": "alice"}, "its issuer is nobody who is named"),
    ],
)
def test_a_jwt_is_used_where_its_issuer_and_audience_allow(
    claims: dict[str, Any], reason: str, make_jwt: Jwt, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = make_jwt(**claims)
    monkeypatch.setenv("BEARER_TOKEN", token)
    if reason:
        assert reason in reason_of(find(archive))
    else:
        assert token_of(find(archive)) == token


@pytest.mark.parametrize(("by_audience", "is_used"), [(True, True), (False, False)])
def test_a_token_for_one_service_of_several_is_used_where_each_request_is_guarded(
    by_audience: bool,
    is_used: bool,
    make_archive: Callable[..., Archive],
    make_jwt: Jwt,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    domains = (Domain(HOST, audience=("data",)), Domain("https://tap.example.org", audience=("tap",)))
    archive = make_archive(PastedToken(), issuers=(ISSUER,), domains=domains, by_audience=by_audience)
    monkeypatch.setenv("BEARER_TOKEN", make_jwt(iss=ISSUER, aud="tap"))
    assert isinstance(find(archive), Found) is is_used


def test_the_issuer_of_an_archives_own_flows_is_one_of_its_issuers(
    make_archive: Callable[..., Archive], make_jwt: Jwt, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = ClientCredentials(server=OAuthServer(issuer=ISSUER))
    archive = make_archive(PastedToken(), flow)
    monkeypatch.setenv("BEARER_TOKEN", make_jwt(iss=ISSUER))
    assert isinstance(find(archive), Found)
    named = make_archive(PastedToken(), flow, issuers=("https://other.example.org",))
    assert "of which" in reason_of(find(named))


@pytest.mark.parametrize(("token", "is_used"), [("ours-1", True), ("ours-1x", False), ("theirs", False)])
def test_a_token_that_is_no_jwt_is_used_where_the_archive_knows_its_shape(
    token: str, is_used: bool, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEARER_TOKEN", token)
    assert isinstance(find(archive), Found) is is_used


def test_an_archive_that_names_no_issuer_gets_none_and_its_files_are_not_opened(
    make_archive: Callable[..., Archive], make_jwt: Jwt, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive(PastedToken())
    assert find(archive) is None
    assert WlcgSource().looked_at(archive) == ""
    monkeypatch.setenv("BEARER_TOKEN_FILE", "/nowhere/token")
    assert reason_of(find(archive)) == "not used: An Example Archive names no issuer of tokens"


def test_a_flow_that_needs_no_token_is_offered_none(
    make_archive: Callable[..., Archive], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive(PasswordGrant(token_url="https://login.example.org/"), issuers=(ISSUER,))
    monkeypatch.setenv("BEARER_TOKEN", "no token at all")
    assert find(archive) is None
    assert WlcgSource().looked_at(archive) == ""


@pytest.mark.parametrize(
    ("account", "is_used"),
    [
        ({}, True),
        ({"username": "alice"}, True),
        ({"username": "bob"}, False),
        ({"account": "alice", "is_default": False}, True),
        ({"account": "work", "username": "alice", "is_default": False}, True),
        ({"account": "work", "is_default": False}, False),
        ({"account": "bob", "is_default": False}, False),
    ],
)
@pytest.mark.parametrize("claim", ["sub", "preferred_username"])
def test_a_token_serves_the_user_that_it_names(
    account: dict[str, Any],
    is_used: bool,
    claim: str,
    make_jwt: Jwt,
    archive: Archive,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BEARER_TOKEN", make_jwt(iss=ISSUER, **{"sub": "b6127f62", claim: "alice"}))
    assert isinstance(find(archive, **account), Found) is is_used


def test_nothing_is_shown(make_jwt: Jwt, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    token = make_jwt(iss=ISSUER)
    monkeypatch.setenv("BEARER_TOKEN", token)
    assert token not in repr(find(archive))
