"""What a user's configuration file may set on a flow."""

from __future__ import annotations

from typing import Any

import pytest

from vo_auth.flows import AuthorizationCode, ClientCredentials, Endpoints, OAuthServer

SERVER = OAuthServer(fallback=Endpoints(token_url="https://login.example.org/token"))
FLOWS = [AuthorizationCode(server=SERVER), ClientCredentials(server=SERVER)]
NEW: dict[str, Any] = {
    "issuer": "https://other.example.org/",
    "discovery": False,
    "token_url": "https://other.example.org/token",
    "authorization_url": "https://other.example.org/page",
    "revocation_url": "https://other.example.org/revoke",
    "jwks_url": "https://other.example.org/keys",
    "client_id": "mine",
    "scope": "read:gms",
    "parameters": {"kc_idp_hint": "edugain"},
    "redirect_port": 8765,
    "redirect_path": "/back",
    "client_auth": "post",
    "resource_parameter": "audience",
    "token_field": "id_token",
    "patience": 60,
}


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_every_option_can_be_set_on_the_flow_or_its_server(flow: Any) -> None:
    for name in flow.options:
        changed = flow.configured({name: NEW[name]})
        where = changed.server if hasattr(OAuthServer(), name) else changed
        assert getattr(where, name) == NEW[name], name
        assert changed.server.fallback == SERVER.fallback
    together = flow.configured({name: NEW[name] for name in flow.options})
    assert together.scope == "read:gms"
    assert together.server.token_url == "https://other.example.org/token"
    assert "https://other.example.org/keys" in together.login_urls


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_no_secret_is_an_option(flow: Any) -> None:
    assert not {"client_secret", "password", "token"} & set(flow.options)
    with pytest.raises(ValueError, match="there is no setting 'client_secret'"):
        flow.configured({"client_secret": "obviously-fake"})


@pytest.mark.parametrize(("flow", "name"), [(flow, name) for flow in FLOWS for name in flow.options])
def test_a_value_of_another_type_is_refused_by_its_name(flow: Any, name: str) -> None:
    for wrong in (None, [], object(), {1: 2}, 3 if name == "discovery" else True):
        with pytest.raises(ValueError, match=name):
            flow.configured({name: wrong})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("token_url", "http://login.example.org/token"),
        ("issuer", "login.example.org"),
        ("discovery", "somewhere"),
        ("redirect_port", 99999),
        ("redirect_path", "back"),
        ("client_auth", "magic"),
        ("patience", 0),
    ],
)
def test_a_value_without_sense_is_refused_by_its_name(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        FLOWS[0].configured({name: value})
