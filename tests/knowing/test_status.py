"""status: what is held, when it is renewed, where it may go in the clear; a table in notebooks, and no secret."""

from __future__ import annotations

import datetime
import json
import time
from base64 import urlsafe_b64encode
from dataclasses import replace

import pytest

import vo_auth
from vo_auth import Domain
from vo_auth.flows import LoginRequest, PastedToken
from vo_auth.holdings import HeldPermits
from vo_auth.testing import assert_no_secret

from .conftest import PASSWORD, PERMIT, Net

LIFE = 3600


def archive_with_login(net: Net, **options):
    login = net.server()
    login.reply(200, body=PERMIT.encode())
    flow = LoginRequest(url=f"{login.url}/login", answer="text", present="bearer", life=LIFE)
    archive = net.archive(net.server().url, flows=(flow, PastedToken()), **options)
    net.use(archive)
    return archive


def seconds_until(moment: datetime.datetime) -> float:
    return moment.timestamp() - time.time()


def test_a_permit_that_credentials_at_hand_can_replace_is_renewed_before_its_end_by_the_margin(net: Net) -> None:
    archive_with_login(net, margin=600.0)
    net.credentials(username="alice", password=PASSWORD)
    vo_auth.login("alpha")
    (held,) = vo_auth.status()
    assert held.renews is not None
    assert seconds_until(held.renews) == pytest.approx(LIFE - 600, abs=30)
    assert held.seconds_left == pytest.approx(LIFE, abs=30)


def test_of_a_short_life_a_fifth_is_the_margin(net: Net) -> None:
    archive_with_login(net, margin=6000.0)
    net.credentials(username="alice", password=PASSWORD)
    vo_auth.login("alpha")
    (held,) = vo_auth.status()
    assert seconds_until(held.renews) == pytest.approx(LIFE * 0.8, abs=30)


def jwt(**claims: object) -> str:
    parts = ({"alg": "none"}, claims)
    return ".".join([*(urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts), "fake"])


@pytest.mark.parametrize("is_in_environment", [False, True])
def test_a_permit_that_only_a_person_can_replace_has_no_renewal(is_in_environment: bool, net: Net) -> None:
    archive_with_login(net)
    token = jwt(sub="alice", iat=int(time.time()), exp=int(time.time()) + LIFE)
    if is_in_environment:
        net.credentials(token=token)
        vo_auth.login("alpha")
    else:
        vo_auth.login("alpha", token=token)
    (held,) = vo_auth.status()
    assert (held.renews, held.flow, held.kind) == (None, "pasted token", "bearer")
    assert held.expires is not None
    assert "<td>by you</td>" in vo_auth.status()._repr_html_()


def test_origins_that_the_user_named_as_insecure_are_said_also_without_a_permit(net: Net) -> None:
    archive = archive_with_login(net)
    archive = replace(archive, domains=(*archive.domains, Domain("http://old.example.org", insecure=True)))
    net.use(archive)
    assert vo_auth.status().insecure_origins == {"alpha": ("http://old.example.org",)}
    assert "http://old.example.org over plain http" in vo_auth.status().notes()[0]
    vo_auth.login("alpha", username="alice", password=PASSWORD)
    (held,) = vo_auth.status()
    assert held.insecure_origins == ("http://old.example.org",)


def test_it_is_a_list_and_a_notebook_shows_a_table(net: Net) -> None:
    archive_with_login(net)
    vo_auth.login("alpha", username="alice", password=PASSWORD, account="<b>&one")
    held = vo_auth.status()
    assert isinstance(held, list)
    table = held._repr_html_()
    assert table.count("<tr>") == 2
    assert "<td>&lt;b&gt;&amp;one</td>" in table
    assert "<b>" not in table
    assert_no_secret([PASSWORD, PERMIT], table, held, str(held), *held)


def test_nothing_held_is_said_in_words() -> None:
    assert HeldPermits()._repr_html_() == "<p>vo_auth holds no permits.</p>"
