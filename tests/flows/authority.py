"""A strict authorization server on loopback, and people with browsers who log in there."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

Answer = tuple[int, Mapping[str, str], bytes]
KEY = RSAKey.generate_key(2048, parameters={"kid": "one"}, private=True)


def as_json(body: object, status: int = 200) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(body).encode()


@dataclass
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    form: dict[str, str]
    headers: Mapping[str, str]


class Authority:
    """What it answers can be changed by a test: ``override`` by path, ``redirect``, ``claims`` and ``token``."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.codes: dict[str, dict[str, str]] = {}
        self.refresh: dict[str, str] = {}
        self.spent: set[str] = set()
        self.revoked: list[str] = []
        self.clients = {"native": "", "service": "service-fake", "confidential": "confidential-fake"}
        self.override: dict[str, Callable[[Asked], Answer]] = {}
        self.redirect: Callable[[dict[str, str]], dict[str, str]] = lambda query: query
        self.claims: Callable[[dict[str, Any]], dict[str, Any]] = lambda claims: claims
        self.token: Callable[[dict[str, Any]], dict[str, Any]] = lambda token: token
        self.algorithm = "RS256"
        self.key: Any = KEY
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.issuer = f"{self.url}/as"
        self.document: dict[str, Any] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "revocation_endpoint": f"{self.url}/revoke",
            "jwks_uri": f"{self.url}/jwks",
            "authorization_response_iss_parameter_supported": True,
        }
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def paths(self) -> list[str]:
        return [item.path for item in self.asked]

    def last(self, path: str) -> Asked:
        return [item for item in self.asked if item.path == path][-1]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                parts = urlsplit(self.path)
                asked = Asked(
                    self.command,
                    parts.path,
                    dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {},
                    dict(parse_qsl(body, strict_parsing=True)) if body else {},
                    self.headers,
                )
                authority.asked.append(asked)
                status, headers, content = authority.answer(asked)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = answer  # noqa: N815 - http.server names them so

            def log_message(self, *args: object) -> None:
                pass

        return Handler

    def answer(self, asked: Asked) -> Answer:
        if asked.path in self.override:
            return self.override[asked.path](asked)
        if asked.path == "/as/.well-known/openid-configuration":
            return as_json(self.document)
        if asked.path == "/jwks":
            return as_json({"keys": [KEY.as_dict(private=False)]})
        if asked.path == "/authorize" and asked.method == "GET":
            return self._authorize(asked.query)
        if asked.path in ("/token", "/revoke") and asked.method == "POST":
            client = self._client(asked)
            if client is None:
                return as_json({"error": "invalid_client"}, 401)
            return self._token(client, asked.form) if asked.path == "/token" else self._revoke(asked.form)
        return 404, {}, b"nothing here"

    def _authorize(self, query: dict[str, str]) -> Answer:
        back = urlsplit(query["redirect_uri"])
        assert (back.scheme, back.hostname) == ("http", "127.0.0.1"), "not a loopback address"
        assert back.port
        assert query["client_id"] in self.clients
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert len(query["code_challenge"]) == 43
        assert len(query["state"]) >= 32
        code = secrets.token_urlsafe(12)
        self.codes[code] = query
        answer = self.redirect({"code": code, "state": query["state"], "iss": self.issuer})
        return 302, {"Location": f"{query['redirect_uri']}?{urlencode(answer)}"}, b""

    def _client(self, asked: Asked) -> str | None:
        scheme, _, pair = asked.headers.get("Authorization", "").partition(" ")
        name, secret = asked.form.get("client_id", ""), asked.form.get("client_secret", "")
        if scheme == "Basic":
            assert not secret, "one way of showing a client at a time (RFC 6749, 2.3)"
            name, _, secret = map(unquote_plus, base64.b64decode(pair).decode().partition(":"))
        return name if self.clients.get(name) == secret else None

    def _token(self, client: str, form: dict[str, str]) -> Answer:
        if form["grant_type"] == "client_credentials":
            return self._issue(client, form.get("scope", ""), refreshed=False)
        if form["grant_type"] == "refresh_token":
            old = form["refresh_token"]
            if old in self.spent:
                self.refresh.clear()  # a replaced one came back: the whole family ends
            if self.refresh.pop(old, None) != client:
                return as_json({"error": "invalid_grant"}, 400)
            self.spent.add(old)
            return self._issue(client, "")
        query = self.codes.pop(form["code"], None)
        if query is None:
            return as_json({"error": "invalid_grant"}, 400)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode()
        if (query["client_id"], query["redirect_uri"], query["code_challenge"]) != (
            client,
            form["redirect_uri"],
            challenge.rstrip("="),
        ):
            return as_json({"error": "invalid_grant"}, 400)
        return self._issue(client, query.get("scope", ""), nonce=query.get("nonce"))

    def _issue(self, client: str, scope: str, *, nonce: str | None = None, refreshed: bool = True) -> Answer:
        token: dict[str, Any] = {
            "access_token": f"access-fake-{secrets.token_hex(4)}",
            "token_type": "Bearer",
            "expires_in": 600,
        }
        if refreshed:
            token["refresh_token"] = f"refresh-fake-{secrets.token_hex(4)}"
            self.refresh[token["refresh_token"]] = client
        if "openid" in scope.split():
            now = int(time.time())
            claims = {"iss": self.issuer, "aud": client, "sub": "42", "iat": now, "exp": now + 60, "nonce": nonce}
            claims = self.claims(claims | {"preferred_username": "pi"})
            header = {"alg": self.algorithm, "kid": "one"}
            token["id_token"] = jwt.encode(header, claims, self.key, algorithms=[self.algorithm])
        return as_json(self.token(token))

    def _revoke(self, form: dict[str, str]) -> Answer:
        self.revoked.append(f"{form['token_type_hint']} {form['token']}")
        return 200, {}, b""


@dataclass
class Seen:
    """What a browser got."""

    url: str
    status: int
    headers: http.client.HTTPMessage
    body: str


def fetch(url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None) -> Seen:
    """Get a URL without following it anywhere."""
    parts = urlsplit(url)
    assert parts.hostname
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    try:
        connection.request(method, url[url.index("/", 8) :], headers=dict(headers or {}))
        answer = connection.getresponse()
        return Seen(url, answer.status, answer.headers, answer.read().decode())
    finally:
        connection.close()


@dataclass
class Visitor:
    """A person whose browser does as it is told; ``sent`` may change where it goes."""

    sent: Callable[[str], str] = field(default=lambda url: url)
    pastes: bool = False
    visited: list[str] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    browser: threading.Thread | None = None

    def visit(self, url: str, *, arrived: Callable[[float], str | None], patience: float) -> str:
        self.visited.append(url)
        page = fetch(url)
        assert page.status == 302, page.body
        back = self.sent(page.headers["Location"])
        if self.pastes:
            return back
        self.browser = threading.Thread(target=self._go, args=(back,), daemon=True)
        self.browser.start()
        where = arrived(20)
        assert where is not None, "the browser did not come"
        return where

    def _go(self, url: str) -> None:
        self.seen.append(fetch(url))
        while self.seen[-1].status == 303:
            origin = "/".join(url.split("/")[:3])
            self.seen.append(fetch(origin + self.seen[-1].headers["Location"]))

    @property
    def last(self) -> Seen:
        """The page that the browser ends at."""
        assert self.browser is not None
        self.browser.join(20)
        return self.seen[-1]
