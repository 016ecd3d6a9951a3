"""The group membership services of IA2 and CADC, as their stand-ins have them: the same call for both."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import vo_auth
from vo_auth import Archive
from vo_auth.errors import GroupsUnavailableError, GroupsUserUnknownError
from vo_auth.sandbox import Sandbox, StandIn
from vo_auth_cadc import CADC
from vo_auth_cadc.standin import PEOPLE as CADC_PEOPLE
from vo_auth_cadc.standin import STANDIN as CADC_STANDIN
from vo_auth_ia2 import IA2
from vo_auth_ia2.standin import STANDIN as IA2_STANDIN
from vo_auth_ia2.standin.people import PEOPLE as IA2_PEOPLE


def in_sandbox(archive: Archive, standin: StandIn, install: Callable[..., None]) -> Iterator[Sandbox]:
    install(archive)
    with Sandbox(standins=[standin]) as sandbox, sandbox.activated():
        yield sandbox


@pytest.fixture
def ia2(install: Callable[..., None]) -> Iterator[Sandbox]:
    yield from in_sandbox(IA2, IA2_STANDIN, install)


@pytest.fixture
def cadc(install: Callable[..., None]) -> Iterator[Sandbox]:
    yield from in_sandbox(CADC, CADC_STANDIN, install)


def test_ia2_tells_the_groups_with_crlf_and_for_how_long_they_hold(ia2: Sandbox) -> None:
    mine = list(IA2_PEOPLE["observer"].groups or ())
    for name in ("ia2", "https://archives.ia2.inaf.it/vo/tap", IA2.groups):
        assert vo_auth.groups(name) == mine
    assert ia2.bench("ia2").counters["gms_queries"] == 1
    assert vo_auth.groups("ia2", "TNG.X99TAC_2", mine[1]) == [mine[1]]
    assert vo_auth.groups("ia2", "TNG.X99TAC_2") == []


@pytest.mark.filterwarnings("ignore::vo_auth.errors.NotEntitledWarning")
def test_ia2_does_not_know_everybody_who_can_log_in(ia2: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in IA2_STANDIN.credentials["stranger"].items():
        monkeypatch.setenv(f"VO_AUTH_IA2_{name.upper()}", value)
    with pytest.raises(GroupsUserUnknownError):
        vo_auth.groups("ia2")


def test_ia2_may_be_busy_for_longer_than_anybody_waits_here(ia2: Sandbox) -> None:
    ia2.bench("ia2").knobs["gms"] = "busy"
    with pytest.raises(GroupsUnavailableError) as caught:
        vo_auth.groups("ia2")
    assert caught.value.retry_after == 30


def test_cadc_tells_the_groups_with_lf(cadc: Sandbox) -> None:
    mine = list(CADC_PEOPLE["pi"].groups)
    argus = "https://ws.cadc-ccda.hia-iha.nrc-cnrc.gc.ca/argus"
    assert vo_auth.groups("cadc") == vo_auth.groups(argus) == mine
    service = "ivo://cadc.nrc.ca/gms"
    assert vo_auth.groups("cadc", f"{service}?Demo-Readers", service=service) == [f"{service}?Demo-Readers"]
    assert vo_auth.groups("cadc", "demo-readers") == []


def test_cadc_says_by_a_redirect_for_whom_it_takes_one(cadc: Sandbox) -> None:
    for name in ("cadc", "https://ws.cadc-ccda.hia-iha.nrc-cnrc.gc.ca/argus/capabilities"):
        identity = vo_auth.whoami(name)
        assert identity is not None
        assert (identity.archive, identity.user) == ("cadc", CADC_PEOPLE["pi"].username)
