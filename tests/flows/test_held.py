"""Permits that the user already holds: nothing is sent to get them."""

from __future__ import annotations

import base64
import datetime
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from vo_auth import Secret
from vo_auth.errors import UnusableCredentialsError
from vo_auth.flows import CertificateFile, HttpBasic, PastedCookie, PastedToken, read_claims
from vo_auth.flows.jwt import expiry_of, issued_of
from vo_auth.permit import BasicPermit, BearerPermit, CertificatePermit, CookiePermit, HeaderPermit

FAKE = "obviously-fake"
DAY = datetime.timedelta(days=1)


def jwt(claims: object) -> str:
    parts = (json.dumps(part).encode() for part in ({"alg": "RS256"}, claims))
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "c2ln"])


# ---------------------------------------------------------------- tokens and cookies


@pytest.mark.parametrize("pasted", ["{}", " {}\n", "Bearer {}", "Bearer {} "])
def test_a_pasted_token_is_taken_as_people_copy_it(pasted: str, bench: Any) -> None:
    assert bench.login(PastedToken(), token=pasted.format(FAKE)).permit == BearerPermit(Secret(FAKE))


def test_a_pasted_token_can_go_into_another_header(bench: Any) -> None:
    flow = PastedToken(header="X-Token", prefix="Token ")
    assert bench.login(flow, token=FAKE).permit == HeaderPermit("X-Token", Secret(FAKE), "Token ")


@pytest.mark.parametrize(
    "pasted", ["", " ", "two words obviously-fake", "obviously-fake\nX: 1", f"Authorization: Bearer {FAKE}"]
)
def test_a_token_that_cannot_be_one_is_refused_without_being_shown(pasted: str, bench: Any) -> None:
    with pytest.raises(UnusableCredentialsError, match="An Example Archive: the token cannot be used") as caught:
        bench.login(PastedToken(), token=pasted)
    assert FAKE not in str(caught.value)


def test_a_jwt_tells_its_owner_and_its_times(bench: Any) -> None:
    grant = bench.login(PastedToken(), token=jwt({"sub": "pi", "iat": 1000, "exp": 4600}))
    assert (grant.identity, grant.issued, grant.expires) == ("pi", 1000.0, 4600.0)


def test_an_opaque_token_has_no_known_end(bench: Any) -> None:
    grant = bench.login(PastedToken(), token=FAKE, username="pi")
    assert (grant.identity, grant.expires) == ("pi", None)


@pytest.mark.parametrize(
    ("flow", "pasted", "name", "value"),
    [
        (PastedCookie(), "sid=abc", "sid", "abc"),
        (PastedCookie(), " sid = abc ; ", "sid", "abc"),
        (PastedCookie(), "sid=a=b==", "sid", "a=b=="),
        (PastedCookie(), 'sid="abc"', "sid", '"abc"'),
        (PastedCookie(cookie="sid"), "abc", "sid", "abc"),
        (PastedCookie(cookie="sid"), "sid=abc", "sid", "abc"),
        (PastedCookie(cookie="sid"), "a=b", "sid", "a=b"),
    ],
)
def test_a_pasted_cookie_is_a_name_and_a_value(
    flow: PastedCookie, pasted: str, name: str, value: str, bench: Any
) -> None:
    assert bench.login(flow, cookie=pasted).permit == CookiePermit(name, Secret(value))


def test_a_cookie_may_tell_its_owner_and_its_end(bench: Any) -> None:
    flow = PastedCookie(cookie="sid", expires=lambda value: float(value[2:]), owner=lambda value: value[:2])
    grant = bench.login(flow, cookie="sid=pi4600")
    assert (grant.identity, grant.expires) == ("pi", 4600.0)
    assert bench.login(flow, cookie="sid=pi4600", username="known").identity == "known"
    opaque = bench.login(PastedCookie(), cookie="sid=abc")
    assert (opaque.identity, opaque.expires) == ("", None)


@pytest.mark.parametrize(
    "pasted", ["", "obviously-fake", "=obviously-fake", "sid=", "sid=obviously-fake; other=x", "s d=x"]
)
def test_a_cookie_that_cannot_be_one_is_refused_without_being_shown(pasted: str, bench: Any) -> None:
    with pytest.raises(UnusableCredentialsError, match="the cookie cannot be used") as caught:
        bench.login(PastedCookie(), cookie=pasted)
    assert FAKE not in str(caught.value)


def test_basic_holds_the_pair_and_has_no_end(bench: Any) -> None:
    grant = bench.login(HttpBasic(), username="pi", password=FAKE)
    assert (grant.permit, grant.identity, grant.expires) == (BasicPermit("pi", Secret(FAKE)), "pi", None)


def test_basic_refuses_what_cannot_be_sent(bench: Any) -> None:
    with pytest.raises(UnusableCredentialsError, match="colon"):
        bench.login(HttpBasic(), username="p:i", password=FAKE)


@pytest.mark.parametrize("flow", [PastedToken(), PastedCookie(), HttpBasic(), CertificateFile()])
def test_what_is_held_is_sent_nowhere_renewed_by_nobody_and_not_revoked(flow: Any, bench: Any) -> None:
    assert flow.login_urls == ()
    assert flow.unattended is False
    assert flow.renew(None, None) is None
    assert flow.revoke(None, None) is False


# ---------------------------------------------------------------- JWTs, as a hint


@pytest.mark.parametrize("end", [0, -1, 1e12, "4600", None, True, [], float("inf"), float("nan"), 10**400])
def test_an_end_that_makes_no_sense_is_none(end: object) -> None:
    assert expiry_of(jwt({"exp": end})) is None
    assert issued_of(jwt({"iat": end})) is None


@pytest.mark.parametrize("claims", [[], "text", 7, None])
def test_claims_that_are_no_object_are_none(claims: object) -> None:
    assert read_claims(jwt(claims)) == {}


@pytest.mark.parametrize(
    "token", ["", "a.b", "a.b.c.d", "..", "a.!.c", "ü.ü.ü", "a." + "W1" * 30000 + ".c", "a.\ud800.c"]
)
def test_what_is_no_jwt_has_no_claims(token: str) -> None:
    assert read_claims(token) == {}


@given(st.text(), st.binary())
def test_looking_at_a_token_never_fails(text: str, payload: bytes) -> None:
    read_claims(text)
    expiry_of(f"a.{base64.urlsafe_b64encode(payload).decode()}.c")


# ---------------------------------------------------------------- certificates


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


def written(
    authority: trustme.CA, folder: Path, *, start: datetime.timedelta = -DAY, life: datetime.timedelta = 2 * DAY
) -> Path:
    begin = datetime.datetime.now(datetime.UTC) + start
    leaf = authority.issue_cert(
        "pi@archive.example.org", not_before=begin, not_after=begin + life, key_type=trustme.KeyType.ECDSA
    )
    path = folder / "proxy.pem"
    path.touch(mode=0o600)
    path.write_bytes(leaf.private_key_and_cert_chain_pem.bytes())
    return path


def test_a_certificate_file_is_read_at_login_and_ends_when_it_says(
    authority: trustme.CA, tmp_path: Path, bench: Any
) -> None:
    path = written(authority, tmp_path)
    grant = bench.login(CertificateFile(), certificate=str(path))
    assert grant.permit == CertificatePermit(Secret(path.read_text()))
    assert grant.life == pytest.approx(2 * DAY.total_seconds(), abs=2)
    assert grant.identity


def test_a_certificate_may_be_given_as_text(authority: trustme.CA, tmp_path: Path, bench: Any) -> None:
    text = written(authority, tmp_path).read_text()
    assert bench.login(CertificateFile(), certificate=text).permit == CertificatePermit(Secret(text))


def test_an_ended_certificate_says_its_end_and_leaves_the_judgement_to_the_wallet(
    authority: trustme.CA, tmp_path: Path, bench: Any
) -> None:
    """Unusable ends the search for credentials; what has ended is passed over, and another flow may serve."""
    grant = bench.login(CertificateFile(), certificate=str(written(authority, tmp_path, start=-3 * DAY)))
    assert grant.expires is not None
    assert grant.expires == pytest.approx(time.time() - DAY.total_seconds(), abs=60)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"<!DOCTYPE html>", "not a certificate with its unencrypted key"),
        (b"", "not a certificate with its unencrypted key"),
        (b"\x30\x82\xff\xfe", "not text"),
        (b"x" * 70000, "larger than"),
    ],
)
def test_what_is_no_certificate_is_refused(content: bytes, match: str, tmp_path: Path, bench: Any) -> None:
    path = tmp_path / "proxy.pem"
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(UnusableCredentialsError, match=match):
        bench.login(CertificateFile(), certificate=str(path))


def test_a_certificate_that_is_not_there_is_named(tmp_path: Path, bench: Any) -> None:
    with pytest.raises(UnusableCredentialsError, match=r"gone\.pem cannot be read"):
        bench.login(CertificateFile(), certificate=str(tmp_path / "gone.pem"))


@pytest.mark.skipif(os.name != "posix", reason="access rights are modes on POSIX alone")
def test_a_certificate_that_others_may_read_is_refused(authority: trustme.CA, tmp_path: Path, bench: Any) -> None:
    path = written(authority, tmp_path)
    path.chmod(0o640)
    with pytest.raises(UnusableCredentialsError, match="chmod 600"):
        bench.login(CertificateFile(), certificate=str(path))
