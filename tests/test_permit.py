"""What is presented with a request, and what is refused beforehand."""

from __future__ import annotations

import base64
import contextlib
import copy
import datetime
import json
import os
import pickle
import ssl
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import given
from hypothesis import strategies as st

from vo_auth import Secret
from vo_auth.permit import (
    BasicPermit,
    BearerPermit,
    CertificatePermit,
    CookiePermit,
    HeaderPermit,
    Permit,
    permit_from_record,
)
from vo_auth.testing import assert_no_secret

URL = "https://archive.example.org/tap"
FAKE = "obviously-fake"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture(scope="module")
def leaf(authority: trustme.CA) -> trustme.LeafCert:
    tomorrow = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    return authority.issue_cert("pi@archive.example.org", not_after=tomorrow, key_type=trustme.KeyType.ECDSA)


@pytest.fixture(scope="module")
def pem(leaf: trustme.LeafCert) -> str:
    return leaf.private_key_and_cert_chain_pem.bytes().decode()


@pytest.fixture
def permits(pem: str) -> list[Permit]:
    return [
        BearerPermit(Secret(FAKE)),
        HeaderPermit("X-Token", Secret(FAKE), "Token "),
        CookiePermit("session", Secret(FAKE)),
        BasicPermit("pi", Secret(FAKE)),
        CertificatePermit(Secret(pem)),
    ]


# ---------------------------------------------------------------- presentation


def test_a_bearer_token_goes_into_the_authorization_header() -> None:
    presented = BearerPermit(Secret("abc.def-_~+/==")).present(URL)
    assert presented.headers == {"Authorization": "Bearer abc.def-_~+/=="}
    assert not presented.cookies
    assert presented.ssl_context is None


def test_a_header_permit_names_its_own_header_and_prefix() -> None:
    assert HeaderPermit("X-Token", Secret(FAKE)).present(URL).headers == {"X-Token": FAKE}
    assert HeaderPermit("X-Token", Secret(FAKE), "Token ").present(URL).headers == {"X-Token": f"Token {FAKE}"}


@pytest.mark.parametrize("value", ["abc", '"quoted"', "a=b=c", "%22"])
def test_a_cookie_is_presented_as_it_is(value: str) -> None:
    presented = CookiePermit("session", Secret(value)).present(URL)
    assert presented.cookies == {"session": value}
    assert not presented.headers


@pytest.mark.parametrize("password", ["secret", "with:colon", "ü§ 🔭", "100% & + =", ""])
def test_basic_is_sent_in_utf_8(password: str) -> None:
    header = BasicPermit("pí", Secret(password)).present(URL).headers["Authorization"]
    scheme, _, pair = header.partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(pair).decode() == f"pí:{password}"


def test_a_certificate_is_presented_by_a_context_that_checks_the_server(pem: str) -> None:
    presented = CertificatePermit(Secret(pem)).present(URL)
    assert not presented.headers
    assert not presented.cookies
    assert presented.ssl_context is not None
    assert presented.ssl_context.verify_mode is ssl.CERT_REQUIRED


def test_one_certificate_permit_has_one_context_and_another_permit_another(pem: str) -> None:
    one, other = CertificatePermit(Secret(pem)), CertificatePermit(Secret(pem))
    assert one.present(URL).ssl_context is one.present(URL).ssl_context
    assert one.present(URL).ssl_context is not other.present(URL).ssl_context


def test_the_presented_certificate_is_the_one_that_was_given(authority: trustme.CA, pem: str) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", key_type=trustme.KeyType.ECDSA).configure_cert(server)
    authority.configure_trust(server)
    server.verify_mode = ssl.CERT_REQUIRED
    client = CertificatePermit(Secret(pem)).present(URL).ssl_context
    assert client is not None
    authority.configure_trust(client)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for end in (ours, theirs):
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
    certificate = theirs.getpeercert()
    assert certificate is not None
    assert ("email", "pi@archive.example.org") in certificate["subjectAltName"]


# ---------------------------------------------------------------- what is refused

INJECTIONS = ["{}\r\nX-Evil: 1", "{}\n", "\n{}", "{}\r", "{}\0", "\0{}", "{}\x1b[31m", "{}\x7f", " {}", "{} ", "\t{}"]
MAKERS: dict[str, Callable[[str], Permit]] = {
    "bearer": lambda text: BearerPermit(Secret(text)),
    "header": lambda text: HeaderPermit("X-Token", Secret(text)),
    "cookie": lambda text: CookiePermit("session", Secret(text)),
}


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("form", INJECTIONS)
def test_what_could_end_a_header_is_refused_without_being_shown(kind: str, form: str) -> None:
    with pytest.raises(ValueError, match="cannot be sent") as caught:
        MAKERS[kind](form.format(FAKE))
    assert_no_secret([FAKE], caught.value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("bearer", ""),
        ("bearer", "two words"),
        ("bearer", "Bearer abc"),
        ("bearer", "a,b"),
        ("bearer", "tökén"),
        ("bearer", '"abc"'),
        ("header", ""),
        ("header", " "),
        ("header", "€"),
        ("cookie", ""),
        ("cookie", "a; b=c"),
        ("cookie", "a,b"),
        ("cookie", "two words"),
        ("cookie", "a\\b"),
    ],
)
def test_what_the_grammar_does_not_allow_is_refused(kind: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be sent|non-empty"):
        MAKERS[kind](text)


@pytest.mark.parametrize("form", ["{}\r\nX-Evil", "{}\n", "{}\0", "a\tb{}"])
def test_basic_refuses_control_characters_in_name_and_password(form: str) -> None:
    for name, password in ((form.format("pi"), FAKE), ("pi", form.format(FAKE))):
        with pytest.raises(ValueError, match="control characters") as caught:
            BasicPermit(name, Secret(password))
        assert_no_secret([FAKE], caught.value)


def test_basic_refuses_a_user_name_with_a_colon() -> None:
    with pytest.raises(ValueError, match="colon"):
        BasicPermit("a:b", Secret(FAKE))


@pytest.mark.parametrize("name", ["", "X Token", "X-Token:", "X\r\nEvil", "Tokén"])
def test_a_header_or_cookie_name_is_a_token(name: str) -> None:
    with pytest.raises(ValueError, match="header name"):
        HeaderPermit(name, Secret(FAKE))
    with pytest.raises(ValueError, match="cookie is NAME=VALUE"):
        CookiePermit(name, Secret(FAKE))


@pytest.mark.parametrize("prefix", ["Token\r\nX-Evil: ", "\n", "\0", " "])
def test_a_prefix_cannot_end_a_header_either(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        HeaderPermit("X-Token", Secret(FAKE), prefix)


@given(st.text(max_size=20))
def test_no_text_reaches_the_wire_with_a_control_character(text: str) -> None:
    for make in MAKERS.values():
        try:
            presented = make(text).present(URL)
        except ValueError:
            continue
        for value in (*presented.headers.values(), *presented.cookies.values()):
            assert not any(ord(char) < 32 or ord(char) == 127 for char in value)
            value.encode("latin-1")  # what http.client does


# ---------------------------------------------------------------- certificates


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_the_key_is_in_a_file_only_while_it_is_loaded_and_for_its_owner_alone(
    pem: str, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, str]] = []
    load = ssl.SSLContext.load_cert_chain

    def watched(self: ssl.SSLContext, path: str, *args: object, **kwargs: object) -> None:
        seen.append((stat.S_IMODE(os.stat(path).st_mode), Path(path).read_text()))
        load(self, path, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", watched)
    old = os.umask(0)
    try:
        CertificatePermit(Secret(pem))
    finally:
        os.umask(old)
    assert [text for _, text in seen] == [pem]
    if os.name == "posix":
        assert [mode for mode, _ in seen] == [0o600]
    assert list(scratch.iterdir()) == []


def broken_pems(leaf: trustme.LeafCert, authority: trustme.CA) -> dict[str, str]:
    certificate = leaf.cert_chain_pems[0].bytes().decode()
    key = leaf.private_key_pem.bytes()
    foreign = authority.issue_cert("other", key_type=trustme.KeyType.ECDSA).private_key_pem.bytes().decode()
    encrypted = load_pem_private_key(key, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"obviously-fake")
    )
    return {
        "key of another certificate": foreign + certificate,
        "no key": certificate,
        "no certificate": key.decode(),
        "encrypted key": encrypted.decode() + certificate,
        "HTML": "<!DOCTYPE html><title>Log in</title>",
        "empty": "",
        "cut off": (key.decode() + certificate)[:-100],
        "not ASCII": "ü" + key.decode() + certificate,
    }


@pytest.mark.parametrize(
    "what",
    [
        "key of another certificate",
        "no key",
        "no certificate",
        "encrypted key",
        "HTML",
        "empty",
        "cut off",
        "not ASCII",
    ],
)
def test_what_is_no_certificate_with_its_key_is_refused_and_leaves_no_file(
    what: str, leaf: trustme.LeafCert, authority: trustme.CA, scratch: Path
) -> None:
    text = broken_pems(leaf, authority)[what]
    with pytest.raises(ValueError, match="not a certificate with its unencrypted key") as caught:
        CertificatePermit(Secret(text))
    key_lines = [line for line in text.splitlines() if len(line) > 40]
    if key_lines:
        assert_no_secret(key_lines, caught.value)
    assert list(scratch.iterdir()) == []


# ---------------------------------------------------------------- records and copies


def test_a_record_gives_an_equal_permit(permits: list[Permit]) -> None:
    for permit in permits:
        record = json.loads(json.dumps(permit.to_record()))
        assert permit_from_record(record) == permit
        assert record["kind"] == permit.kind


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"kind": "unknown"},
        {"kind": "bearer"},
        {"kind": "bearer", "token": None},
        {"kind": "bearer", "token": 7},
        {"kind": "bearer", "token": "a\r\nb"},
        {"kind": "header", "name": "X", "value": "v"},
        {"kind": "header", "name": "X", "value": "v", "prefix": "a\r\n"},
        {"kind": "cookie", "name": "", "value": "v"},
        {"kind": "basic", "username": "a:b", "password": "x"},
        {"kind": "certificate", "pem": "<html>"},
    ],
)
def test_a_record_that_is_not_ours_is_refused(record: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        permit_from_record(record)


def test_a_permit_shows_no_secret(permits: list[Permit], pem: str) -> None:
    key_line = pem.splitlines()[1]
    for permit in permits:
        for shown in (repr(permit), str(permit), repr(permit.present(URL)), repr([permit])):
            assert_no_secret([FAKE, key_line], shown)


def test_a_permit_is_not_pickled(permits: list[Permit]) -> None:
    for permit in permits:
        with pytest.raises(TypeError):
            pickle.dumps(permit)


def test_a_permit_cannot_be_changed(permits: list[Permit]) -> None:
    for permit in permits:
        with pytest.raises((AttributeError, TypeError)):
            permit.kind = "other"  # type: ignore[misc]


def test_permits_of_different_kinds_with_one_secret_are_not_equal(permits: list[Permit]) -> None:
    assert len(set(permits)) == len(permits)
    assert copy.copy(permits[0]) == permits[0]
