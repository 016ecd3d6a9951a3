"""What attach takes and what it refuses; what it takes carries permits, and is as before after detach."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import pyvo
import requests
from pyvo.dal.exceptions import DALServiceError
from requests.adapters import HTTPAdapter

import vo_auth
from vo_auth.adapter import PermitAdapter
from vo_auth.attachment import Attachment
from vo_auth.errors import AnonymousWarning, AttachError, CredentialsNotFoundError, PluginNotInstalledError
from vo_auth.registry import Registry

with warnings.catch_warnings(action="ignore"):
    import astroquery
    from astroquery.alma import Alma
    from astroquery.cadc import Cadc
    from astroquery.eso import Eso, EsoClass

ESO = "https://archive.eso.org"
PAGE = f"{ESO}/tap_obs/availability"


class OwnSession(requests.Session):
    """A subclass as users write them."""

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs.setdefault("timeout", 30)
        return super().request(*args, **kwargs)


def _get(session: Any) -> None:
    session.get(PAGE)


def _search(service: Any) -> None:
    keywords: dict[str, Any] = {}
    if isinstance(service, pyvo.dal.SIAService | pyvo.dal.SSAService | pyvo.dal.SCSService):
        keywords = {"pos": (1.0, 1.0)}
    if isinstance(service, pyvo.dal.SIA2Service):
        keywords = {"pos": (1.0, 1.0, 0.1)}
    if isinstance(service, pyvo.dal.SLAService):
        keywords = {"wavelength": (1e-7, 2e-7)}
    if isinstance(service, pyvo.dal.SCSService):
        keywords |= {"radius": 0.1}
    if isinstance(service, pyvo.dal.TAPService):
        keywords = {"query": "SELECT TOP 1 dp_id FROM dbo.raw"}
    if isinstance(service, pyvo.dal.adhoc.DatalinkService):
        keywords = {"id": "ivo://eso.org/ID?none"}
    with suppress(DALServiceError):  # the stand-in has no such service: it was asked, with a permit or without
        service.run_sync(**keywords) if hasattr(service, "run_sync") else service.search(**keywords)


def _sia2() -> Any:
    service = pyvo.dal.SIA2Service.__new__(pyvo.dal.SIA2Service)  # its __init__ asks for capabilities
    pyvo.dal.query.DALService.__init__(service, f"{ESO}/sia2")
    service._capabilities, service.query_ep = (), f"{ESO}/sia2/query"
    return service


def _results() -> Any:
    return pyvo.dal.TAPService(f"{ESO}/tap_obs").search("SELECT TOP 1 dp_id, access_url FROM dbo.raw")


def _job() -> Any:
    return pyvo.dal.TAPService(f"{ESO}/tap_obs").submit_job("SELECT TOP 1 dp_id FROM dbo.raw")


WORK: dict[str, tuple[Callable[[], Any], Callable[[Any], object]]] = {
    "requests.Session": (requests.Session, _get),
    "a subclass of requests.Session": (OwnSession, _get),
    "pyvo TAPService": (lambda: pyvo.dal.TAPService(f"{ESO}/tap_obs"), _search),
    "pyvo DatalinkService": (lambda: pyvo.dal.adhoc.DatalinkService(f"{ESO}/datalink/links"), _search),
    "pyvo SIAService": (lambda: pyvo.dal.SIAService(f"{ESO}/sia"), _search),
    "pyvo SIA2Service": (_sia2, _search),
    "pyvo SSAService": (lambda: pyvo.dal.SSAService(f"{ESO}/ssa"), _search),
    "pyvo SLAService": (lambda: pyvo.dal.SLAService(f"{ESO}/sla"), _search),
    "pyvo SCSService": (lambda: pyvo.dal.SCSService(f"{ESO}/scs"), _search),
    "pyvo TAPResults": (_results, lambda results: results._session.get(PAGE)),
    "pyvo Record": (lambda: _results()[0], lambda record: record._session.get(PAGE)),
    "pyvo AsyncTAPJob": (_job, lambda job: job._update()),
    "pyvo AuthSession": (pyvo.auth.AuthSession, _get),
    "pyvo TAPService with pyvo's AuthSession": (
        lambda: pyvo.dal.TAPService(f"{ESO}/tap_obs", session=pyvo.auth.AuthSession()),
        _search,
    ),
    "astroquery Eso (the instance)": (lambda: Eso, lambda eso: eso._request("GET", PAGE, cache=False)),
    "astroquery Eso()": (Eso, lambda eso: eso._request("GET", PAGE, cache=False)),
    "astroquery Alma": (Alma, lambda alma: alma._session.get(PAGE)),
    "astroquery Cadc": (lambda: Cadc(url=f"{ESO}/tap_obs"), lambda cadc: _search(cadc.cadctap)),
}


@pytest.mark.parametrize("name", WORK)
def test_what_is_attached_carries_permits_until_it_is_detached(name, sent) -> None:
    make, work = WORK[name]
    target = make()
    kind = type(target)
    try:
        assert vo_auth.attach(target) is target
        assert vo_auth.attach(target) is target  # twice is once
        assert isinstance(target, kind)
        during = sent(lambda: work(target))
    finally:
        assert vo_auth.detach(target) is target
    after = sent(lambda: work(target))
    assert during
    assert {one.authorization.partition(" ")[0] for one in during} == {"Bearer"}
    assert after
    assert {one.authorization for one in after} == {""}
    assert type(target) is kind
    assert vo_auth.detach(target) is target  # what is not attached stays as it is


REFUSED: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "a text": lambda: "https://archive.eso.org",
    "a number": lambda: 7,
    "an object": object,
    "a function": lambda: requests.get,
    "the requests module": lambda: requests,
    "the astroquery module": lambda: astroquery,
    "a class of sessions": lambda: requests.Session,
    "a class of pyvo's": lambda: pyvo.dal.TAPService,
    "a piece of pyvo without session": lambda: pyvo.dal.tap.TAPQuery.__new__(pyvo.dal.tap.TAPQuery),
    "a session of ours": lambda: vo_auth.session_for(ESO),
    "a pyvo service with one": lambda: pyvo.dal.TAPService(f"{ESO}/tap_obs", session=vo_auth.session_for(ESO)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_attached_is_refused_with_a_reason(name) -> None:
    target = REFUSED[name]()
    with pytest.raises(AttachError, match=r"cannot be attached|nothing to attach|needs no attach"):
        vo_auth.attach(target)


@pytest.mark.parametrize("name", [name for name in REFUSED if "session" not in name and "with one" not in name])
def test_what_could_never_be_attached_cannot_be_detached(name) -> None:
    with pytest.raises(AttachError):
        vo_auth.detach(REFUSED[name]())


def test_detach_leaves_a_session_of_ours_as_it_is(sent) -> None:
    session = vo_auth.session_for(ESO)
    assert vo_auth.detach(session) is session
    assert sent(lambda: session.get(PAGE))[0].authorization


def _tap_plus() -> list[Any]:
    with warnings.catch_warnings(action="ignore"):
        from astroquery.esa.iso import ISOClass
        from astroquery.esa.jwst import JwstClass
        from astroquery.gaia import GaiaClass
        from astroquery.utils.tap.core import TapPlus

    return [
        pytest.param(lambda: GaiaClass, id="Gaia, class"),
        pytest.param(lambda: GaiaClass(show_server_messages=False), id="Gaia, instance"),
        pytest.param(lambda: JwstClass, id="Jwst, class"),
        pytest.param(lambda: JwstClass(show_messages=False), id="Jwst, instance"),
        pytest.param(lambda: ISOClass, id="ISO, class"),
        pytest.param(lambda: TapPlus(url="https://archive.eso.org/tap"), id="TapPlus"),
        pytest.param(lambda: type("Own", (JwstClass,), {}), id="a subclass"),
    ]


@pytest.mark.parametrize("make", _tap_plus())
def test_tap_plus_is_refused_and_nothing_of_it_is_attached(make) -> None:
    target = make()
    kind, before = type(target), dict(vars(target))
    with pytest.raises(AttachError, match=r"by itself.*cannot be attached.*vo_auth.session_for"):
        vo_auth.attach(target)
    assert type(target) is kind
    assert dict(vars(target)) == before
    sessions = [value for value in before.values() if isinstance(value, requests.Session)]
    assert all(type(session.adapters) is OrderedDict for session in sessions)


def test_an_instance_that_gets_a_tap_plus_service_later_says_so() -> None:
    with warnings.catch_warnings(action="ignore"):
        from astroquery.utils.tap.core import TapPlus
    eso = vo_auth.attach(Eso())
    with pytest.raises(AttachError, match="by itself"):
        eso.other = TapPlus(url="https://archive.eso.org/tap")


# ------------------------------------------------------------------ plain sessions


def test_adapters_hooks_and_headers_of_a_session_stay(sandbox) -> None:
    session, heard = requests.Session(), []
    before = HTTPAdapter(max_retries=2)
    session.mount("https://archive.eso.org/tap_obs", before)
    session.headers["X-Own"] = "kept"
    session.hooks["response"].append(lambda response, **_: heard.append(response.request))
    vo_auth.attach(session)
    after = HTTPAdapter(max_retries=3)
    session.mount("https://archive.eso.org", after)
    session.get(PAGE)
    request = sandbox.received.at("archive.eso.org")[-1]
    assert request.headers["x-own"] == "kept"
    assert request.authorization.startswith("Bearer ")
    assert "Authorization" not in heard[0].headers
    assert session.get_adapter(PAGE).inner is before
    assert session.get_adapter(f"{ESO}/x").inner is after
    vo_auth.detach(session)
    assert session.get_adapter(PAGE) is before
    assert session.get_adapter(f"{ESO}/x") is after
    assert not any(isinstance(adapter, PermitAdapter) for adapter in session.adapters.values())


def test_an_adapter_that_is_mounted_after_attach_keeps_the_order_of_prefixes() -> None:
    session = vo_auth.attach(requests.Session())
    session.mount("https://archive.eso.org", HTTPAdapter())
    assert list(session.adapters) == ["https://archive.eso.org", "https://", "http://"]


@pytest.mark.parametrize(
    "again",
    [lambda session: pickle.loads(pickle.dumps(session)), copy.copy, copy.deepcopy],
    ids=["pickle", "copy", "deepcopy"],
)
def test_a_copy_of_an_attached_session_is_attached_too(again, sent) -> None:
    """Invariant 3: work that is handed to another process must not go on anonymously."""
    other = again(vo_auth.attach(requests.Session(), url=ESO))
    assert sent(lambda: other.get(PAGE))[0].authorization.startswith("Bearer ")
    assert vo_auth.attach(other, url=ESO) is other  # for the same purpose
    with pytest.raises(AttachError, match="another archive or account"):
        vo_auth.attach(other, url=ESO, account="somebody else")


@pytest.mark.parametrize(
    "make",
    [
        requests.Session,
        lambda: pyvo.dal.TAPService(f"{ESO}/tap_obs"),
        pyvo.auth.AuthSession,
        Eso,
        lambda: type("OwnClass", (EsoClass,), {}),
    ],
    ids=["session", "pyvo service", "pyvo AuthSession", "Eso()", "class"],
)
def test_attach_for_another_account_is_refused_and_changes_nothing(make) -> None:
    target = vo_auth.attach(make(), account="first")
    before = dict(vars(target))
    with pytest.raises(AttachError, match="already"):
        vo_auth.attach(target, account="second")
    assert dict(vars(target)) == before
    vo_auth.attach(target, account="first")


def test_a_service_may_be_attached_by_any_url_of_its_archive() -> None:
    session = vo_auth.attach(requests.Session(), url=ESO)
    vo_auth.attach(session, url="https://dataportal.eso.org")
    vo_auth.attach(pyvo.dal.TAPService("http://archive.eso.org/tap_obs", session=session))


# ------------------------------------------------------------------ naming


@pytest.mark.vo_auth_sandbox(credentials=False)
@pytest.mark.usefixtures("sandbox")
def test_the_archive_that_is_named_requires_credentials_and_others_do_not() -> None:
    named = [
        (vo_auth.attach(requests.Session(), url=ESO), "get"),
        (vo_auth.attach(pyvo.dal.TAPService(f"{ESO}/tap_obs"))._session, "get"),
        (vo_auth.attach(Eso())._session, "get"),
    ]
    for session, method in named:
        with pytest.raises(CredentialsNotFoundError):
            getattr(session, method)(PAGE)
    bare = vo_auth.attach(requests.Session())
    with pytest.warns(AnonymousWarning, match="goes anonymously"):
        assert bare.get(PAGE).ok


@pytest.mark.vo_auth_sandbox(credentials=False)
@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("make", [requests.Session, Eso, lambda: pyvo.dal.TAPService(f"{ESO}/tap_obs")])
def test_required_false_goes_on_anonymously_with_one_warning(make) -> None:
    target = vo_auth.attach(make(), url=ESO, required=False)
    session = target if isinstance(target, requests.Session) else target._session
    with pytest.warns(AnonymousWarning, match="goes anonymously"):
        assert session.get(PAGE).ok
    assert session.get(PAGE).ok  # a second warning would be an error


@pytest.mark.parametrize(
    "make",
    [requests.Session, lambda: pyvo.dal.TAPService(f"{ESO}/tap_obs"), Eso, lambda: EsoClass],
    ids=["session", "pyvo service", "Eso()", "EsoClass"],
)
def test_a_missing_plugin_is_named_with_its_pip_line_and_nothing_is_attached(make, monkeypatch) -> None:
    empty = Registry([])
    monkeypatch.setattr("vo_auth.attachment.Attachment", lambda **how: Attachment(**how, registry=empty))
    target = make()
    url = ESO if isinstance(target, requests.Session) else None
    with pytest.raises(PluginNotInstalledError, match="pip install vo-auth-eso"):
        vo_auth.attach(target, url=url)
    sessions = [target, getattr(target, "_session", None)]
    assert not any(isinstance(one, requests.Session) and type(one.adapters) is not OrderedDict for one in sessions)
    if isinstance(target, type):
        assert type(target()) is target
