"""Tokens are signed, and checked as a service must check them."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey

from vo_auth.sandbox.tokens import TokenError, TokenSigner

NOW = 1_790_000_000.0
CLAIMS = {"iss": "https://login.example.org", "aud": ["tap", "files"], "sub": "pi", "exp": NOW + 60, "iat": NOW}


@pytest.fixture(scope="module")
def signer() -> TokenSigner:
    return TokenSigner()


def refused(signer: TokenSigner, token: str, **checks: str | float | None) -> str:
    wanted = {"issuer": "https://login.example.org", "audience": "tap", "now": NOW, **checks}
    with pytest.raises(TokenError) as caught:
        signer.verify(token, **wanted)  # type: ignore[arg-type]
    assert len(token) < 20 or token not in str(caught.value)
    return caught.value.reason


def test_a_good_token_gives_its_claims(signer: TokenSigner) -> None:
    token = signer.sign(CLAIMS)
    assert signer.verify(token, issuer="https://login.example.org", audience="files", now=NOW) == CLAIMS
    assert signer.verify(token, now=NOW)["sub"] == "pi"


@pytest.mark.parametrize(
    ("checks", "reason"),
    [
        ({"now": NOW + 60}, "expired"),
        ({"now": NOW + 61}, "expired"),
        ({"now": NOW + 59.9}, None),
        ({"audience": "other"}, "audience"),
        ({"issuer": "https://login.example.org/"}, "issuer"),
        ({"issuer": "https://evil.example.org"}, "issuer"),
    ],
)
def test_time_audience_and_issuer_are_checked(
    checks: dict[str, str | float], reason: str | None, signer: TokenSigner
) -> None:
    token = signer.sign(CLAIMS)
    if reason is None:
        signer.verify(token, now=float(checks["now"]))
    else:
        assert refused(signer, token, **checks) == reason


@pytest.mark.parametrize("missing", ["exp", "iss", "aud"])
def test_a_token_that_lacks_a_claim_is_refused(missing: str, signer: TokenSigner) -> None:
    token = signer.sign({name: value for name, value in CLAIMS.items() if name != missing})
    assert refused(signer, token) == {"exp": "malformed", "iss": "issuer", "aud": "audience"}[missing]


def test_fractions_of_a_second_count(signer: TokenSigner) -> None:
    token = signer.sign({**CLAIMS, "exp": NOW + 0.5})
    assert signer.verify(token, now=NOW + 0.4)["sub"] == "pi"
    assert refused(signer, token, now=NOW + 0.7) == "expired"


def test_a_token_from_the_future_is_early(signer: TokenSigner) -> None:
    assert refused(signer, signer.sign({**CLAIMS, "nbf": NOW + 30})) == "early"


def test_a_token_of_another_signer_is_refused(signer: TokenSigner) -> None:
    other = TokenSigner(own_key=True)
    assert refused(signer, other.sign(CLAIMS)) == "signature"
    assert other.verify(other.sign(CLAIMS), now=NOW)["sub"] == "pi"


def test_signers_of_one_process_share_their_key(signer: TokenSigner) -> None:
    assert TokenSigner().verify(signer.sign(CLAIMS), now=NOW)["sub"] == "pi"


def test_a_changed_payload_is_noticed(signer: TokenSigner) -> None:
    head, _, signature = signer.sign(CLAIMS).split(".")
    payload = base64.urlsafe_b64encode(json.dumps({**CLAIMS, "sub": "boss"}).encode()).rstrip(b"=").decode()
    assert refused(signer, f"{head}.{payload}.{signature}") == "signature"


def test_a_token_without_a_signature_is_refused(signer: TokenSigner) -> None:
    head = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    payload = signer.sign(CLAIMS).split(".")[1]
    assert refused(signer, f"{head}.{payload}.") in {"malformed", "signature"}


def test_the_public_key_does_not_make_tokens(signer: TokenSigner) -> None:
    """RFC 8725, section 2.1: an RS256 service must not take an HS256 token whose secret is the public key."""
    secret = OctKey.import_key(json.dumps(signer.jwks()["keys"][0]))
    token = jwt.encode({"alg": "HS256"}, dict(CLAIMS), secret, ["HS256"])
    assert refused(signer, token) in {"malformed", "signature"}


@given(
    st.one_of(st.text(), st.from_regex(r"[A-Za-z0-9_-]{1,9}\.[A-Za-z0-9_-]{1,9}\.[A-Za-z0-9_-]{0,9}", fullmatch=True))
)
def test_anything_else_is_malformed(text: str) -> None:
    assert refused(TokenSigner(), text) in {"malformed", "signature"}


def test_others_can_check_the_token_with_the_published_key(signer: TokenSigner) -> None:
    published = signer.jwks()
    assert not {"d", "p", "q", "dp", "dq", "qi"} & set(published["keys"][0])
    assert published["keys"][0]["alg"] == "RS256"
    token = jwt.decode(signer.sign(CLAIMS), KeySet.import_key_set(published), algorithms=["RS256"])
    assert token.header["kid"] == published["keys"][0]["kid"]
    assert token.claims == CLAIMS
