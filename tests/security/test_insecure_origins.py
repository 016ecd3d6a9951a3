"""R3 and its one exception: what no https reaches gets nothing, unless the user's own configuration says so, aloud."""

from __future__ import annotations

import logging
import warnings
from dataclasses import replace

import pytest
import requests

import vo_auth
from vo_auth import Domain
from vo_auth.errors import AnonymousWarning, InsecureOriginWarning, InsecureTransportError, InsecureUrlError
from vo_auth.registry import Plugin, Registry

UPGRADE = Domain("https://archive.example.org", upgrade_http=True)
ON_PURPOSE = Domain("http://old.example.org/files", insecure=True)


# ------------------------------------------------------------------ https is tried, and does not answer


def test_where_https_does_not_answer_the_permit_stays_here_and_the_error_says_so(net) -> None:
    plain = net.plain_name("archive.example.org")
    session = net.session(net.archive(UPGRADE))
    with pytest.raises(InsecureUrlError, match=r"https://archive\.example\.org does not answer by https") as caught:
        session.get("http://archive.example.org/files/1?signature=obviously-fake")
    assert caught.value.https_url == "https://archive.example.org/files/1"
    assert caught.value.request is not None
    assert "vo_auth.anonymous()" in str(caught.value)
    assert "obviously-fake" not in str(caught.value)
    assert "Authorization" not in caught.value.request.headers
    assert plain.received == []


def test_a_certificate_that_is_not_trusted_is_no_https_either(net) -> None:
    """An attacker on the way could show any: falling back to http would give him what he wants."""
    import trustme

    plain = net.plain_name("archive.example.org")
    net.proxy.names["archive.example.org", 443] = net.server("archive.example.org", tls=True, authority=trustme.CA())
    with pytest.raises(InsecureUrlError, match="SSLError"):
        net.session(net.archive(UPGRADE)).get("http://archive.example.org/x")
    assert plain.received == []


def test_without_need_for_a_permit_it_goes_as_it_was_asked_with_one_warning(net) -> None:
    plain = net.plain_name("archive.example.org")
    session = net.session(net.archive(UPGRADE), required=False)
    with pytest.warns(AnonymousWarning, match="does not answer by https"):
        session.get("http://archive.example.org/x")
    session.get("http://archive.example.org/x")  # warnings are errors here
    assert [seen.authorization for seen in plain.received] == ["", ""]


def test_a_network_failure_of_an_https_url_stays_what_it_is(net) -> None:
    _ = net.proxy
    with pytest.raises(requests.ConnectionError):
        net.session(net.archive(UPGRADE)).get("https://archive.example.org/x")


def test_anonymously_plain_http_is_asked_as_it_is_written(net) -> None:
    plain = net.plain_name("archive.example.org")
    with vo_auth.anonymous():
        net.session(net.archive(UPGRADE)).get("http://archive.example.org/x")
    assert [seen.authorization for seen in plain.received] == [""]


# ------------------------------------------------------------------ insecure on purpose


def test_only_the_origin_and_path_that_the_user_named_get_a_permit_in_clear(net, token) -> None:
    old, other = net.plain_name("old.example.org"), net.plain_name("old.example.org", 8080)
    session = net.session(net.archive(UPGRADE, ON_PURPOSE))
    with pytest.warns(InsecureOriginWarning):
        session.get("http://old.example.org/files/1")
    session.get("http://old.example.org/elsewhere")
    session.get("http://old.example.org:8080/files/1")
    assert [seen.authorization for seen in old.received] == [f"Bearer {token}", ""]
    assert [seen.authorization for seen in other.received] == [""]


def test_every_use_of_an_insecure_origin_is_announced(net, caplog) -> None:
    net.plain_name("old.example.org")
    session = net.session(net.archive(UPGRADE, ON_PURPOSE))
    with caplog.at_level(logging.WARNING, "vo_auth"):
        with pytest.warns(InsecureOriginWarning, match="insecure_origins"):
            session.get("http://old.example.org/files/0")
        for number in (1, 2):
            session.get(f"http://old.example.org/files/{number}")
    assert len([record for record in caplog.records if "over plain http" in record.getMessage()]) == 3


def test_an_insecure_origin_does_not_keep_https_of_the_same_host_from_being_asked_by_https(net, token) -> None:
    secure, plain = net.name("archive.example.org"), net.plain_name("archive.example.org")
    session = net.session(net.archive(UPGRADE, Domain("http://archive.example.org/files", insecure=True)))
    session.get("http://archive.example.org/tap")
    with pytest.warns(InsecureOriginWarning):
        session.get("http://archive.example.org/files/1")
    assert [seen.path for seen in secure.received] == ["/tap"]
    assert [(seen.path, seen.authorization) for seen in plain.received] == [("/files/1", f"Bearer {token}")]


def test_a_client_certificate_is_not_shown_in_clear_and_its_absence_is_no_anonymous_request(net) -> None:
    plain = net.plain_name("old.example.org")
    session = net.session(net.archive(ON_PURPOSE), certificate=str(net.certificate("pi")))
    with pytest.warns(InsecureOriginWarning), pytest.raises(InsecureTransportError, match="plain http"):
        session.get("http://old.example.org/files/1")
    assert plain.received == []


def test_a_plugin_cannot_name_an_insecure_origin(monkeypatch, net) -> None:
    """Only the user's own configuration can; a plugin that tries is left out, with a warning."""
    archive = net.archive(UPGRADE, ON_PURPOSE, name="sloppy")
    registry = Registry()
    monkeypatch.setattr(registry, "_hooks", {})
    asked = Registry._asked

    def as_if_a_plugin(self, hook, report):
        yield from asked(self, hook, report)
        if hook == "vo_auth_archives" and self is registry:
            yield _PLUGIN, archive

    monkeypatch.setattr(Registry, "_asked", as_if_a_plugin)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        names = [known.name for known, _ in registry.archives()]
    assert "sloppy" not in names
    assert "eso" in names
    assert any("only the user's own configuration can allow" in str(item.message) for item in caught)


_PLUGIN = Plugin("sloppy", "vo-auth-sloppy", "1.0")


def test_http_without_purpose_is_no_domain() -> None:
    with pytest.raises(ValueError, match="must be https"):
        Domain("http://old.example.org")
    with pytest.raises(ValueError, match="must be https"):
        Domain("ftp://old.example.org", insecure=True)
    assert replace(ON_PURPOSE, anonymous=("files/public",)).insecure
