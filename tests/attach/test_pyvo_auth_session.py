"""pyvo's own AuthSession, attached: the edge answers for known archives, its negotiation for the rest."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest
import pyvo
import requests
from pyvo.auth import securitymethods

import vo_auth
from vo_auth.errors import AttachError

from .conftest import relay

PAGE = "https://archive.eso.org/tap_obs/availability"
FOREIGN = "https://foreign.example.org"
foreign = pytest.mark.vo_auth_sandbox(extra=[relay("foreign", "foreign.example.org")])


def negotiated() -> Any:
    """Make one that knows a password for a host of its own."""
    auth = pyvo.auth.AuthSession()
    auth.credentials.set_password("demo", "obviously-fake")
    auth.add_security_method_for_url(FOREIGN, securitymethods.BASIC)
    return auth


@foreign
def test_negotiation_goes_on_for_hosts_that_no_archive_claims(sent) -> None:
    auth = vo_auth.attach(negotiated())
    first, second = sent(lambda: (auth.get(f"{FOREIGN}/data"), auth.get(PAGE)))
    assert first.authorization.startswith("Basic ")
    assert second.authorization.startswith("Bearer ")


@foreign
def test_a_redirect_from_a_foreign_host_into_an_archive_gets_the_permit_and_only_that(sent, chained) -> None:
    auth = vo_auth.attach(negotiated())
    first, second = sent(lambda: auth.get(chained("foreign.example.org", last=PAGE)))
    assert first.authorization.startswith("Basic ")
    assert second.host == "archive.eso.org"
    assert second.authorization.startswith("Bearer ")


def test_the_edge_answers_for_a_known_archive_whatever_was_negotiated_for_it(sent) -> None:
    auth = pyvo.auth.AuthSession()
    auth.credentials.set_password("demo", "obviously-fake")
    auth.add_security_method_for_url("https://archive.eso.org", securitymethods.BASIC)
    vo_auth.attach(auth)
    (request,) = sent(lambda: auth.get(PAGE))
    assert request.authorization.startswith("Bearer ")


@pytest.mark.parametrize(
    "later",
    [
        lambda credentials, _folder: credentials.set_password("demo", "obviously-fake"),
        lambda credentials, _folder: credentials.set_cookie("sid", "obviously-fake", domain="foreign.example.org"),
        lambda credentials, _folder: credentials.set("ivo://ivoa.net/sso#OAuth", requests.Session()),
    ],
    ids=["password", "cookie", "a session"],
)
@foreign
def test_a_session_that_is_set_after_attach_is_covered(later, sent, chained, tmp_path) -> None:
    auth = vo_auth.attach(pyvo.auth.AuthSession())
    later(auth.credentials, tmp_path)
    method = next(name for name in auth.credentials.credentials if name != securitymethods.ANONYMOUS)
    auth.add_security_method_for_url(FOREIGN, method)
    *_, last = sent(lambda: auth.get(chained("foreign.example.org", last=PAGE)))
    assert last.host == "archive.eso.org"
    assert last.authorization.startswith("Bearer ")


@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
def test_each_of_its_methods_is_covered(method, sent) -> None:
    auth = vo_auth.attach(pyvo.auth.AuthSession())
    (request,) = sent(lambda: getattr(auth, method)(PAGE))
    assert (request.method, request.authorization[:7]) == (method.upper(), "Bearer ")


@foreign
def test_detach_restores_exactly_what_was_there(sent) -> None:
    auth = negotiated()
    sessions = dict(auth.credentials.credentials)
    adapters = {method: dict(session.adapters) for method, session in sessions.items()}
    vo_auth.detach(vo_auth.attach(auth))
    assert type(auth) is pyvo.auth.AuthSession
    assert set(vars(auth)) == set(vars(pyvo.auth.AuthSession()))
    assert auth.credentials.credentials == sessions
    for method, session in sessions.items():
        assert type(session.adapters) is OrderedDict
        assert dict(session.adapters) == adapters[method]
    (request,) = sent(lambda: auth.get(f"{FOREIGN}/data"))
    assert request.authorization.startswith("Basic ")


class Own(pyvo.auth.AuthSession):
    """A subclass as users write them."""

    def _request(self, http_method: str, url: str, **kwargs: Any) -> requests.Response:
        self.asked = url
        return super()._request(http_method, url, **kwargs)


@foreign
def test_a_subclass_keeps_what_it_does_and_its_class(sent) -> None:
    auth = vo_auth.attach(Own())
    auth.add_security_method_for_url(FOREIGN, securitymethods.ANONYMOUS)
    assert isinstance(auth, Own)
    sent(lambda: auth.get(f"{FOREIGN}/data"))
    assert auth.asked == f"{FOREIGN}/data"
    assert type(vo_auth.detach(auth)) is Own


@pytest.mark.parametrize("again", [lambda auth: pickle.loads(pickle.dumps(auth)), copy.deepcopy])
def test_a_copy_of_it_is_attached_too(again: Callable[[Any], Any], sent) -> None:
    other = again(vo_auth.attach(pyvo.auth.AuthSession()))
    (request,) = sent(lambda: other.get(PAGE))
    assert request.authorization.startswith("Bearer ")
    assert type(vo_auth.detach(other)) is pyvo.auth.AuthSession


def test_a_session_of_ours_inside_of_it_stays_as_it_is(sent) -> None:
    auth = pyvo.auth.AuthSession()
    ours = vo_auth.session_for(PAGE)
    auth.credentials.set("ivo://ivoa.net/sso#OAuth", ours)
    adapters = dict(ours.adapters)
    vo_auth.attach(auth)
    sent(lambda: auth.get(PAGE))
    vo_auth.detach(auth)
    assert dict(ours.adapters) == adapters


def test_one_whose_sessions_are_attached_for_somebody_else_is_refused_whole() -> None:
    auth = pyvo.auth.AuthSession()
    other = requests.Session()
    auth.credentials.set("ivo://ivoa.net/sso#OAuth", vo_auth.attach(other, account="other"))
    with pytest.raises(AttachError, match="already"):
        vo_auth.attach(auth, account="mine")
    assert type(auth) is pyvo.auth.AuthSession
    assert type(auth.credentials.get(securitymethods.ANONYMOUS).adapters) is OrderedDict
