"""What every plugin keeps: tests to subclass, shipped so that plugins anywhere can run them."""

from __future__ import annotations

import pickle
import secrets
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from ..domain import Origin, Target
from ..errors import CredentialsRejectedError
from ..registry import default_registry
from .leaks import assert_no_secret

if TYPE_CHECKING:
    from ..archive import Archive
    from ..domain import Domain
    from ..sandbox import Received, Sandbox

__all__ = ["PluginContract"]


class PluginContract:
    """Subclass this in a plugin's tests, and set three things.

    Attributes
    ----------
    archive
        The archive's name.
    distribution
        The distribution that brings it.
    probe
        A URL inside one of its domains that its stand-in answers with 200 to whoever is logged in.

    Examples
    --------
    >>> class TestContract(PluginContract):
    ...     archive = "eso"
    ...     distribution = "vo-auth-eso"
    ...     probe = "https://archive.eso.org/tap_obs/availability"
    """

    archive: ClassVar[str]
    distribution: ClassVar[str]
    probe: ClassVar[str]

    # ---------------------------------------------------------------- what it declares

    def test_the_plugin_is_installed_and_whole(self) -> None:
        declared = {archive.name: plugin for archive, plugin in default_registry().archives()}
        assert declared[self.archive].distribution == self.distribution
        assert declared[self.archive].problem == ""

    def test_credentials_go_to_private_origins_alone(self) -> None:
        origins = self._archive().credential_origins()
        assert [str(origin) for origin in origins if not origin.may_carry_permits] == []
        for flow in self._archive().flows:
            assert {Origin.from_url(url) for url in flow.login_urls} <= origins, flow.name

    def test_nothing_beside_a_domain_is_inside_it(self) -> None:
        for domain in self._archive().domains:
            assert self._covers(domain, domain.origin)
            for other in _neighbours(domain.origin):
                assert not self._covers(domain, other), f"{other} is taken for {domain.origin}"

    def test_the_archive_claims_its_own_probe(self) -> None:
        match = default_registry().find(Target.from_url(self.probe))
        assert match is not None
        assert match.archive.name == self.archive

    # ---------------------------------------------------------------- what it does, against its stand-in

    def test_one_login_serves_many_requests(self, vo_auth_sandbox: Sandbox) -> None:
        from ..session import session_for

        with session_for(self.probe) as session:
            assert [session.get(self.probe).status_code for _ in range(3)] == [200, 200, 200]
        assert vo_auth_sandbox.bench(self.archive).counters["logins"] == 1

    def test_the_permit_arrives_at_the_archive_and_nobody_else_sees_it(self, vo_auth_sandbox: Sandbox) -> None:
        from ..session import session_for

        with session_for(self.probe) as session:
            answer = session.get(self.probe)
            permit = self._arrived(vo_auth_sandbox)[-1]
            assert permit
            assert_no_secret(
                [permit], answer, dict(answer.request.headers), pickle.dumps(answer), pickle.dumps(session)
            )
        carried = [entry.host for entry in vo_auth_sandbox.received.all() if _permit_in(entry) == permit]
        assert set(carried) <= {domain.origin.host for domain in self._archive().domains}

    def test_a_wrong_password_is_sent_once(self, vo_auth_sandbox: Sandbox) -> None:
        from ..session import session_for

        role = next(iter(self._credentials(vo_auth_sandbox)))
        credentials = dict(self._credentials(vo_auth_sandbox)[role])
        if "password" not in credentials:
            pytest.skip("this archive takes no password")
        wrong = f"obviously-wrong-{secrets.token_hex(4)}"  # a process remembers what was rejected before
        options: dict[str, Any] = {**credentials, "password": wrong}
        with session_for(self.probe, **options) as session:
            for _ in range(2):
                with pytest.raises(CredentialsRejectedError) as caught:
                    session.get(self.probe)
                assert_no_secret([wrong], caught.value)
        assert vo_auth_sandbox.bench(self.archive).counters["rejected_logins"] == 1

    # ---------------------------------------------------------------- helpers

    def _archive(self) -> Archive:
        return default_registry().get(self.archive)

    def _credentials(self, sandbox: Sandbox) -> dict[str, dict[str, str]]:
        (standin,) = [standin for standin in sandbox.standins if standin.archive == self.archive]
        return {role: dict(values) for role, values in standin.credentials.items()}

    def _arrived(self, sandbox: Sandbox) -> list[str]:
        return [_permit_in(entry) for entry in sandbox.received.at(Target.from_url(self.probe).origin.host)]

    @staticmethod
    def _covers(domain: Domain, origin: Origin) -> bool:
        return domain.covers(Target(origin, "/" + "/".join(domain.segments)))


def _permit_in(entry: Received) -> str:
    return entry.authorization.partition(" ")[2] or entry.cookie or (entry.client_certificate or b"").hex()


def _neighbours(origin: Origin) -> list[Origin]:
    """Return origins that look like one and are others."""
    scheme, host, port = origin
    return [
        Origin(scheme, f"x{host}", port),
        Origin(scheme, f"{host}.example.org", port),
        Origin(scheme, host, port + 1),
        Origin("http" if scheme == "https" else "https", host, port),
    ]
