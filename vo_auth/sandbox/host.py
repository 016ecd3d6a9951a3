"""The sandbox itself: its servers, its folder, its environment, from start to end."""

from __future__ import annotations

import json
import os
import shutil
import site
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self, TypeVar

from . import environment, vocabulary
from .dispatch import Dispatcher
from .error import SandboxError
from .journal import Journal, ReceivedJournal
from .proxy import ProxyEntry
from .service import Address, Service
from .standin import Bench, StandIn
from .tls import Authority

__all__ = ["Sandbox"]

_STORE_PASSWORD = "obviously-fake"  # noqa: S105 (Java asks for one; it protects a public certificate)

_REAL_PORTS = (443, 80)
_SITE = Path(__file__).with_name("_site")

Part = TypeVar("Part")


class Sandbox:
    """Run stand-ins under their archives' real host names for the length of a ``with`` block.

    Nothing listens beyond the loopback interface. A sandbox is used once; a new one starts in a fraction of a second.

    Parameters
    ----------
    standins
        None asks the installed plugins.
    only
        Names of archives; empty means all.
    credentials
        Put the demo credentials of each stand-in's first role into the environment.
    extra
        Further stand-ins, whatever ``only`` says: third parties that tests need.
    ports
        Where https and http are served on the loopback interface; 0 takes any free port. With the real ports 443 and
        80 the environment names no proxy.

    Raises
    ------
    SandboxError
        An archive that is not there, or two stand-ins for one archive or host name.

    Examples
    --------
    >>> import requests
    >>> from vo_auth.sandbox import Sandbox
    >>> with Sandbox(standins=[]) as sandbox, sandbox.activated():
    ...     answer = requests.get("http://www.ivoa.net/rdf/datalink/core",
    ...                           headers={"Accept": "application/x-desise+json"})
    >>> answer.json()["terms"]["dark"]["wider"], len(sandbox.received)
    (['calibration'], 1)
    """

    def __init__(
        self,
        standins: Iterable[StandIn] | None = None,
        *,
        only: Iterable[str] = (),
        credentials: bool = True,
        extra: Iterable[StandIn] = (),
        ports: tuple[int, int] = (0, 0),
    ) -> None:
        found = _from_plugins() if standins is None else list(standins)
        self.standins: tuple[StandIn, ...] = (*_chosen(found, tuple(only)), *extra)
        self.received = ReceivedJournal()
        self.proxy_log: Journal[ProxyEntry] = Journal()
        self.authority = Authority()
        self._served = _with_vocabulary(self.standins)
        _check_unique(self._served)
        self._benches = {standin.archive: Bench(standin.archive, authority=self.authority) for standin in self._served}
        self._credentials = credentials
        self._wanted_ports = ports
        self._service: Service | None = None
        self._folder: Path | None = None
        self._address: Address | None = None
        self._environ: environment.Changes | None = None

    @property
    def environ(self) -> Mapping[str, str | None]:
        """The variables that bring a program into this sandbox; None means: to unset."""
        return _started(self._environ)

    @property
    def folder(self) -> Path:
        """The sandbox's temporary folder; it goes at the end."""
        return _started(self._folder)

    @property
    def home(self) -> Path:
        """The temporary home of the programs in the sandbox."""
        return self.folder / "home"

    @property
    def ca_pem(self) -> Path:
        """The file with the certificate of the sandbox's own authority."""
        return self.folder / "ca.pem"

    @property
    def hosts(self) -> tuple[str, ...]:
        """The host names that are served, sorted."""
        return tuple(sorted(host.lower() for standin in self._served for host in standin.hosts))

    @property
    def ports(self) -> Mapping[int, int]:
        """The real port → the port on the loopback interface."""
        return MappingProxyType(dict(_started(self._address).ports))

    @property
    def proxy(self) -> str:
        """The URL of the forward proxy."""
        return f"http://127.0.0.1:{_started(self._address).proxy_port}"

    def bench(self, archive: str) -> Bench:
        """Return the counters and knobs of one stand-in, before the start or after.

        Parameters
        ----------
        archive
            The archive's name.

        Returns
        -------
        Bench

        Raises
        ------
        SandboxError
            No stand-in of that name is here.
        """
        if archive not in self._benches:
            raise SandboxError(f"no stand-in for {archive!r} is in this sandbox: it has {_listed(self._benches)}")
        return self._benches[archive]

    def child_environ(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the whole environment of a child process in this sandbox.

        Parameters
        ----------
        base
            To start from; None takes this process's own.

        Returns
        -------
        dict
            As ``subprocess`` takes it.
        """
        return environment.merged(self.environ, os.environ if base is None else base)

    def activated(self) -> AbstractContextManager[None]:
        """Bring this process itself into the sandbox, for the length of a ``with`` block.

        Returns
        -------
        AbstractContextManager
            Sets the variables and puts them back. Programs in this process that ignore proxies are not guarded.
        """
        return environment.applied(self.environ)

    def __enter__(self) -> Self:
        if self._service is not None:
            raise SandboxError("a sandbox is used once: make a new one")
        self._folder = Path(tempfile.mkdtemp(prefix="vo-auth-sandbox-"))
        try:
            benches = [(standin, self._benches[standin.archive]) for standin in self._served]
            self._service = Service(
                Dispatcher(benches, self.received),
                context=self.authority.server_context(self.hosts),
                proxy_log=self.proxy_log,
                ports=self._wanted_ports,
            )
            self._address = self._service.start()
            self._environ = self._furnish(self._folder, self._address)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        folder, self._folder, self._address, self._environ = self._folder, None, None, None
        try:
            if self._service is not None:
                self._service.stop()
        finally:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)

    def _furnish(self, folder: Path, address: Address) -> environment.Changes:
        """Write the files that the environment names, and compute the environment."""
        places = environment.Places(
            proxy_port=None if self._wanted_ports == _REAL_PORTS else address.proxy_port,
            ca_pem=folder / "ca.pem",
            data=folder / "sandbox.json",
            wgetrc=folder / "wgetrc",
            trust_store=self._write_trust_store(folder / "trust.p12"),
            trust_store_password=_STORE_PASSWORD,
            home=folder / "home",
            state=folder / "state",
            site=_SITE,
            user_base=os.environ.get("PYTHONUSERBASE") or site.getuserbase(),
        )
        environment.prepare_home(places.home)
        places.ca_pem.write_bytes(self.authority.pem)
        places.wgetrc.write_text(environment.wgetrc(places), encoding="utf-8")
        data = {"hosts": self.hosts, "ports": dict(address.ports), "ca_pem": str(places.ca_pem)}
        places.data.write_text(json.dumps(data), encoding="utf-8")
        return environment.compute(places, standins=self.standins, current=os.environ, credentials=self._credentials)

    def _write_trust_store(self, path: Path) -> Path | None:
        store = self.authority.trust_store(_STORE_PASSWORD)
        if store is None:
            return None
        path.write_bytes(store)
        return path


def _from_plugins() -> list[StandIn]:
    from ..registry import default_registry

    return list(default_registry().standins())


def _chosen(found: list[StandIn], only: tuple[str, ...]) -> list[StandIn]:
    names = {standin.archive for standin in found}
    missing = [name for name in only if name not in names]
    if missing:
        raise SandboxError(f"there is no stand-in for {_listed(missing)}: installed are {_listed(names)}")
    return [standin for standin in found if not only or standin.archive in only]


def _with_vocabulary(standins: tuple[StandIn, ...]) -> tuple[StandIn, ...]:
    """Add the IVOA's vocabulary server, unless somebody brought a stand-in for it."""
    taken = any(vocabulary.HOST in standin.hosts for standin in standins)
    return standins if taken else (*standins, vocabulary.standin())


def _check_unique(standins: Iterable[StandIn]) -> None:
    archives = Counter(standin.archive for standin in standins)
    hosts = Counter(host.lower() for standin in standins for host in standin.hosts)
    twice = [name for name, count in (archives + hosts).items() if count > 1]
    if twice:
        raise SandboxError(f"two stand-ins answer for {_listed(twice)}: choose one with `only`")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _started(part: Part | None) -> Part:
    if part is None:
        raise SandboxError("the sandbox does not run: use it inside its `with` block")
    return part
