"""The records of the contract."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from vo_auth import Archive, Domain, Secret
from vo_auth.archive import Answer, Grant, Verdict, judge_status
from vo_auth.domain import Origin
from vo_auth.flows import PasswordGrant, PastedToken
from vo_auth.permit import BearerPermit
from vo_auth.testing import assert_no_secret

DOMAIN = Domain("https://archive.example.org")


def archive(**changes: Any) -> Archive:
    return Archive(
        **{"name": "example", "title": "An Example", "domains": (DOMAIN,), "flows": (PastedToken(),)} | changes
    )


@pytest.mark.parametrize("name", ["", "ESO", "e so", "-eso", "eso-", "1eso", "e_so", "eso\n", "é"])
def test_a_name_that_makes_no_variable_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name is lower case"):
        archive(name=name)


@pytest.mark.parametrize(("name", "prefix"), [("eso", "VO_AUTH_ESO_"), ("eso-test-2", "VO_AUTH_ESO_TEST_2_")])
def test_hyphens_become_underscores_in_variables(name: str, prefix: str) -> None:
    assert archive(name=name).variable_prefix == prefix


def test_an_archive_without_domains_is_refused() -> None:
    with pytest.raises(ValueError, match="no domain"):
        archive(domains=())


@pytest.mark.parametrize("url", ["http://login.example.org/token", "http://10.0.0.1/token"])
def test_a_login_origin_in_clear_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"must be (an )?https"):
        archive(login_origins=(url,))
    with pytest.raises(ValueError, match=r"must be (an )?https"):
        archive(flows=(PasswordGrant(token_url=url),))


def test_credentials_go_to_the_flows_own_origins_and_nowhere_else() -> None:
    flows = (PasswordGrant(token_url="https://login.example.org/token"), PastedToken())
    assert archive(flows=flows).credential_origins() == {Origin("https", "login.example.org", 443)}


def test_named_login_origins_replace_those_of_the_flows() -> None:
    flows = (PasswordGrant(token_url="https://login.example.org/token"),)
    named = archive(flows=flows, login_origins=("https://sso.example.org",))
    assert named.credential_origins() == {Origin("https", "sso.example.org", 443)}


def test_records_are_frozen_and_take_keywords_alone() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        archive().name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Archive("example", "An Example", (DOMAIN,), ())  # type: ignore[misc]


@pytest.mark.parametrize(
    ("status", "headers", "verdict"),
    [
        (200, {}, Verdict.OK),
        (200, {"WWW-Authenticate": "Bearer"}, Verdict.OK),
        (302, {}, Verdict.OK),
        (401, {}, Verdict.REFUSED),
        (403, {"WWW-Authenticate": "Bearer"}, Verdict.REFUSED),
        (403, {}, Verdict.NOT_ENTITLED),
        (404, {}, Verdict.OK),
        (500, {}, Verdict.OK),
    ],
)
def test_the_status_alone_judges_where_an_archive_says_nothing_else(
    status: int, headers: dict[str, str], verdict: Verdict
) -> None:
    assert judge_status(Answer(status=status, headers=headers, url="https://archive.example.org/")) is verdict


GRANT = Grant(
    permit=BearerPermit(Secret("obviously-fake")),
    refresh=Secret("refresh-fake"),
    identity="pi",
    issuer="https://login.example.org",
    client_id="client",
    scopes=("a", "b"),
    issued=1000.0,
    expires=4600.0,
)


@pytest.mark.parametrize("grant", [GRANT, Grant(permit=GRANT.permit), dataclasses.replace(GRANT, refresh=None)])
def test_a_record_gives_an_equal_grant(grant: Grant) -> None:
    assert Grant.from_record(json.loads(json.dumps(grant.to_record()))) == grant


@pytest.mark.parametrize(
    "changes", [{"permit": {}}, {"issued": None}, {"scopes": None}, {"expires": "soon"}, {"refresh": 7}]
)
def test_a_record_that_is_not_ours_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Grant.from_record(GRANT.to_record() | changes)


def test_a_grant_shows_no_secret() -> None:
    assert_no_secret(["obviously-fake", "refresh-fake"], repr(GRANT), str(GRANT))


@pytest.mark.parametrize(("issued", "expires", "life"), [(10.0, 70.0, 60.0), (10.0, None, None), (70.0, 10.0, 0.0)])
def test_the_life_of_a_grant_is_from_issue_to_end(issued: float, expires: float | None, life: float | None) -> None:
    assert dataclasses.replace(GRANT, issued=issued, expires=expires).life == life
