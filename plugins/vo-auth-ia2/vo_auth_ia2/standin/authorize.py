"""RAP for people: the authorization endpoint with its pages, and the page that issues tokens."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from multidict import MultiMapping

from vo_auth.sandbox import Bench

from .issuer import Issuer
from .pages import consent_page, error_page, login_page, start_page, token_page
from .people import CLIENTS, PEOPLE, Client, Person, find_person
from .places import AUTHORIZE_PATH, CONSENT_PATH, LOGIN_PATH, RAP_ORIGIN, SCOPES, START_PATH, TOKEN_PAGE_PATH

__all__ = ["Code", "Front", "repeated", "wanted_resources"]

CODE_LIFE = 60
_COOKIE = "rap_session"
_ONCE = frozenset({"client_id", "redirect_uri", "response_type", "scope", "state", "code_challenge", "nonce"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """An authorization code that waits to be redeemed.

    Parameters
    ----------
    client_id, redirect_uri
        Who may redeem it, and what it must repeat.
    subject, scopes, resources, nonce
        What the user granted.
    challenge
        Of PKCE (RFC 7636); empty: none was sent.
    end
        Seconds since the epoch.
    """

    client_id: str
    redirect_uri: str
    subject: str
    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    nonce: str
    challenge: str
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Transaction:
    """What somebody came for: a client's request, or the page that issues tokens (``client`` None)."""

    client: Client | None = None
    parameters: Mapping[str, str]
    resources: tuple[str, ...] = ()
    scopes: tuple[str, ...] = SCOPES


class _RefusedError(Exception):
    """An authorization request that ends in an error of RFC 6749, section 4.1.2.1, at the client's own URI."""


def repeated(given: MultiMapping[Any], names: frozenset[str] = _ONCE) -> list[str]:
    """Return the parameters that came more than once, which none may (RFC 6749, section 3.1)."""
    return sorted(name for name in names if len(given.getall(name, [])) > 1)


def wanted_resources(bench: Bench, issuer: Issuer, given: MultiMapping[Any]) -> tuple[str, ...] | None:
    """Return the audiences that a request asks for (RFC 8707), as far as this server listens.

    Parameters
    ----------
    bench
        Knob: ``resource_parameter``: ``""`` (ignored; UNVERIFIED), ``resource`` or ``audience``.
    issuer
        Knows the services.
    given
        The parameters.

    Returns
    -------
    tuple of str | None
        None: one of them is unknown (``invalid_target``).
    """
    name = bench.knob("resource_parameter", "")
    wanted = tuple(str(value) for value in given.getall(name, [])) if name else ()
    return wanted if set(wanted) <= set(issuer.audiences()) else None


class Front:
    """Answer the browser at sso.ia2.inaf.it.

    Parameters
    ----------
    bench
        Knobs: ``skip_consent`` (False), ``pkce`` (``check``: where it was sent; ``require``; UNVERIFIED),
        ``response_iss`` (True: the answer names the issuer, RFC 9207; UNVERIFIED), ``code_life`` (60 s), and that of
        :func:`wanted_resources`. Counters: ``page_logins``, ``rejected_logins``, ``issued_on_page``, ``codes``,
        ``denied``.
    issuer
        Issues the tokens of the page.
    """

    def __init__(self, bench: Bench, issuer: Issuer) -> None:
        self._bench = bench
        self._issuer = issuer
        self._transactions: dict[str, _Transaction] = {}
        self._sessions: dict[str, Person] = {}
        self.codes: dict[str, Code] = {}

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this part."""
        return [
            web.get(START_PATH, self.show_start),
            web.get(AUTHORIZE_PATH, self.begin, allow_head=False),
            web.post(LOGIN_PATH, self.log_in),
            web.get(CONSENT_PATH, self.ask, allow_head=False),
            web.post(CONSENT_PATH, self.decide),
            web.get(TOKEN_PAGE_PATH, self.show_page, allow_head=False),
            web.post(TOKEN_PAGE_PATH, self.issue_on_page),
        ]

    # ---------------------------------------------------------------- the authorization endpoint

    async def begin(self, request: web.Request) -> web.Response:
        """Take an authorization request (RFC 6749, section 4.1.1)."""
        query = request.query
        client = CLIENTS.get(query.get("client_id", ""))
        if client is None or repeated(query, frozenset({"client_id", "redirect_uri"})):
            return error_page("No program with this client_id is registered.")
        if not client.allows(query.get("redirect_uri", "")):
            return error_page("The redirect_uri is none of those that this program has registered.")
        try:
            transaction = self._accepted(client, query)
        except _RefusedError as refused:
            return self._back(query, {"error": str(refused)})
        name = self._keep(transaction)
        person = self._person(request)
        if person is None and query.get("prompt") == "none":
            return self._back(query, {"error": "login_required"})
        if person is None or query.get("prompt") == "login":
            return login_page(name)
        return self._after_login(name, person)

    def _accepted(self, client: Client, query: MultiMapping[str]) -> _Transaction:
        if repeated(query):
            raise _RefusedError("invalid_request")
        if query.get("response_type") != "code":
            raise _RefusedError("unsupported_response_type" if "response_type" in query else "invalid_request")
        if "authorization_code" not in client.grants:
            raise _RefusedError("unauthorized_client")
        scopes = tuple((query.get("scope") or " ".join(SCOPES)).split())
        if not set(scopes) <= set(SCOPES):
            raise _RefusedError("invalid_scope")
        self._check_challenge(query)
        resources = wanted_resources(self._bench, self._issuer, query)
        if resources is None:
            raise _RefusedError("invalid_target")
        return _Transaction(client=client, parameters=dict(query), resources=resources, scopes=scopes)

    def _check_challenge(self, query: Mapping[str, str]) -> None:
        if "code_challenge" not in query:
            if self._bench.knob("pkce", "check") == "require":
                raise _RefusedError("invalid_request")
        elif query.get("code_challenge_method", "plain") != "S256" or len(query["code_challenge"]) != 43:
            raise _RefusedError("invalid_request")

    def _back(self, asked: Mapping[str, str], values: Mapping[str, str]) -> web.Response:
        """Lead the browser back to the client, with the state as it came (RFC 6749, section 4.1.2)."""
        answer = dict(values)
        if "state" in asked:
            answer["state"] = asked["state"]
        if self._bench.knob("response_iss", True):
            answer["iss"] = self._issuer.name
        uri = asked["redirect_uri"]
        target = f"{uri}{'&' if '?' in uri else '?'}{urlencode(answer)}"
        return web.Response(status=302, headers={"Location": target, "Cache-Control": "no-store"})

    # ---------------------------------------------------------------- who is there, and what they decide

    async def log_in(self, request: web.Request) -> web.Response:
        """Take user name and password of the page, or the choice of eduGAIN, where the stand-in knows one person."""
        form = await request.post()
        name = str(form.get("transaction", ""))
        if name not in self._transactions or not _is_own(request):
            return error_page("This page is out of date: begin again.")
        if form.get("method") == "edugain":
            person: Person | None = PEOPLE["scholar"]
        else:
            person = find_person(str(form.get("username", "")), str(form.get("password", "")))
        if person is None:
            self._bench.count("rejected_logins")
            return login_page(name, error="User name or password are not right.")
        self._bench.count("page_logins")
        session = secrets.token_urlsafe(16)
        self._sessions[session] = person
        answer = self._after_login(name, person)
        answer.set_cookie(_COOKIE, session, path="/rap-ia2/", secure=True, httponly=True, samesite="Lax")
        return answer

    def _after_login(self, name: str, person: Person) -> web.Response:
        transaction = self._transactions[name]
        if transaction.client is None:
            del self._transactions[name]
            return _see(TOKEN_PAGE_PATH)
        if self._bench.knob("skip_consent", False):
            return self._granted(name, person)
        return _see(f"{CONSENT_PATH}?{urlencode({'transaction': name})}")

    async def ask(self, request: web.Request) -> web.Response:
        """Show what the program wants."""
        name = request.query.get("transaction", "")
        transaction, person = self._transactions.get(name), self._person(request)
        if transaction is None or transaction.client is None or person is None:
            return error_page("This page is out of date: begin again.")
        return consent_page(name, client=transaction.client.title, person=person.name, scopes=transaction.scopes)

    async def decide(self, request: web.Request) -> web.Response:
        """Take the user's decision and lead back to the program."""
        form = await request.post()
        name, person = str(form.get("transaction", "")), self._person(request)
        if name not in self._transactions or person is None or not _is_own(request):
            return error_page("This page is out of date: begin again.")
        if form.get("decision") != "allow":
            self._bench.count("denied")
            return self._back(self._transactions.pop(name).parameters, {"error": "access_denied"})
        return self._granted(name, person)

    def _granted(self, name: str, person: Person) -> web.Response:
        transaction = self._transactions.pop(name)
        asked = transaction.parameters
        code = f"code-{secrets.token_urlsafe(16)}"
        self.codes[code] = Code(
            client_id=asked["client_id"],
            redirect_uri=asked["redirect_uri"],
            subject=person.subject,
            scopes=transaction.scopes,
            resources=transaction.resources,
            nonce=asked.get("nonce", ""),
            challenge=asked.get("code_challenge", ""),
            end=self._bench.now() + float(self._bench.knob("code_life", CODE_LIFE)),
        )
        self._bench.count("codes")
        return self._back(asked, {"code": code})

    # ---------------------------------------------------------------- the page that issues tokens

    async def show_start(self, _request: web.Request) -> web.Response:
        """Show the page that leads there."""
        return start_page()

    async def show_page(self, request: web.Request) -> web.Response:
        """Show the page to who is logged in, the login to others."""
        person = self._person(request)
        if person is None:
            return login_page(self._keep(_Transaction(parameters={})))
        return token_page(person=person.name)

    async def issue_on_page(self, request: web.Request) -> web.Response:
        """Show a new token, or send it as ``token.txt``."""
        person = self._person(request)
        if person is None or not _is_own(request):
            return error_page("Log in first.", status=403)
        answer = self._issuer.answer(subject=person.subject, client_id="token-issuer", scopes=SCOPES)
        self._bench.count("issued_on_page")
        token = str(answer["access_token"])
        if (await request.post()).get("how") == "file":
            headers = {"Content-Disposition": 'attachment; filename="token.txt"', "Cache-Control": "no-store"}
            return web.Response(text=f"{token}\n", headers=headers)
        ends = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self._bench.now() + float(answer["expires_in"])))
        return token_page(person=person.name, token=token, ends=ends)

    # ---------------------------------------------------------------- helpers

    def _keep(self, transaction: _Transaction) -> str:
        name = secrets.token_urlsafe(16)
        self._transactions[name] = transaction
        return name

    def _person(self, request: web.Request) -> Person | None:
        return self._sessions.get(request.cookies.get(_COOKIE, ""))


def _is_own(request: web.Request) -> bool:
    """Say whether a form was sent from a page of this server, as far as the browser tells."""
    allowed: Sequence[str] = (RAP_ORIGIN, "null")  # "null" under the pages' own Referrer-Policy
    return request.headers.get("Origin", RAP_ORIGIN) in allowed


def _see(path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": path})
