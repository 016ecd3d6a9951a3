"""Bring a Python program that ignores proxies into the sandbox.

Python imports this at its start because the sandbox puts this folder on ``PYTHONPATH``. It maps the sandbox's host
names to its servers in ``socket.getaddrinfo``, ``gethostbyname`` and ``socket.connect``, refuses every other name and
address that is not this machine's own, makes ``certifi.where`` answer with the sandbox's authority, and then runs the
``sitecustomize`` that would have been run without it.

Outside of its reach are Python programs started with ``-I``, ``-E`` or ``-S`` (they do not look here), C libraries
that resolve names or connect by themselves (pycurl, c-ares in aiodns), programs with a certificate store of their own
(truststore on macOS and Windows), and whatever is not Python.
"""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_HERE = os.path.dirname(os.path.abspath(__file__))
_LOCAL = {"", "localhost", "0.0.0.0", "::", "::1"}  # noqa: S104 (compared, not bound)
_ENDED = {"hosts": [], "ports": {}, "ca_pem": os.devnull}


def _name(host: Any) -> str | None:
    """Return a host as getaddrinfo takes it as text in one form, or None where there is none."""
    if host is None:
        return None
    text = host.decode("ascii", "replace") if isinstance(host, (bytes, bytearray)) else str(host)
    return text.lower().rstrip(".")


def _is_local(name: str | None) -> bool:
    if name is None or name in _LOCAL or name == socket.gethostname().lower():
        return True
    number = name.removeprefix("::ffff:")
    return number.startswith("127.") and number.replace(".", "").isdigit()


class _Guard:
    """The names and ports of one sandbox, and the functions that are put in the place of the socket module's."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.hosts = frozenset(data["hosts"])
        self.ports = {int(real): port for real, port in data["ports"].items()}
        self.getaddrinfo = socket.getaddrinfo
        self.gethostbyname = socket.gethostbyname
        self.connect = socket.socket.connect
        self.connect_ex = socket.socket.connect_ex

    def refusal(self, text: str) -> socket.gaierror:
        known = ", ".join(sorted(self.hosts)) or "nothing any more: it has ended"
        return socket.gaierror(socket.EAI_NONAME, f"{text} (it knows {known})")

    def port(self, name: str, port: Any) -> Any:
        number = {"https": 443, "http": 80}.get(port, port)
        if number in (None, 0, "0", ""):
            return number
        try:
            return self.ports[int(number)]
        except (KeyError, ValueError):
            raise self.refusal(f"the sandbox does not serve {name} on port {port}") from None

    def look_up(  # noqa: PLR0917 (the socket module's own signature, as are its names)
        self,
        host: Any,
        port: Any,
        family: int = 0,
        type: int = 0,  # noqa: A002
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        name = _name(host)
        if name is None or _is_local(name):
            return self.getaddrinfo(host, port, family, type, proto, flags)
        if name not in self.hosts:
            raise self.refusal(f"the sandbox does not know the host {name}")
        address = "::ffff:127.0.0.1" if family == socket.AF_INET6 else "127.0.0.1"
        number = self.port(name, port.decode() if isinstance(port, bytes) else port)
        return self.getaddrinfo(address, number, family, type, proto, flags)

    def look_up_name(self, hostname: str) -> str:
        if _is_local(_name(hostname)):
            return self.gethostbyname(hostname)
        return str(self.look_up(hostname, None, socket.AF_INET)[0][4][0])

    def address(self, sock: socket.socket, address: Any) -> Any:
        """Return the address to which a connection to ``address`` goes in the sandbox."""
        if sock.family not in (socket.AF_INET, socket.AF_INET6) or not isinstance(address, tuple):
            return address
        if _is_local(_name(address[0])):
            return address
        return self.look_up(address[0], address[1], sock.family, sock.type)[0][4]

    def install(self) -> None:
        guard = self

        def connect(sock: socket.socket, address: Any) -> None:
            guard.connect(sock, guard.address(sock, address))

        def connect_ex(sock: socket.socket, address: Any) -> int:
            return guard.connect_ex(sock, guard.address(sock, address))

        socket.getaddrinfo = self.look_up
        socket.gethostbyname = self.look_up_name
        socket.gethostbyname_ex = lambda hostname: (hostname, [], [self.look_up_name(hostname)])
        setattr(socket.socket, "connect", connect)  # noqa: B010 (a plain assignment is no method to mypy)
        setattr(socket.socket, "connect_ex", connect_ex)  # noqa: B010


class _CertifiFinder:
    """Make ``certifi.where`` answer with the sandbox's authority as soon as somebody imports certifi."""

    def __init__(self, ca_pem: str) -> None:
        self.ca_pem = ca_pem

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not f".{fullname}".endswith(".certifi.core"):  # pip carries its own copy
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                run(module)
                self.patch(module)

            setattr(spec.loader, "exec_module", exec_module)  # noqa: B010
        return spec

    def patch(self, module: ModuleType) -> None:
        setattr(module, "where", lambda: self.ca_pem)  # noqa: B010
        setattr(module, "contents", self.contents)  # noqa: B010

    def contents(self) -> str:
        with open(self.ca_pem, encoding="ascii") as file:
            return file.read()


def _start() -> None:
    path = os.environ.get("VO_AUTH_SANDBOX")
    if not path:
        return
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
    except (OSError, ValueError):
        data = _ENDED  # nothing may go to the real archives from here
    _Guard(data).install()
    finder = _CertifiFinder(data["ca_pem"])
    sys.meta_path.insert(0, finder)
    for name in ("certifi.core", "certifi"):
        if name in sys.modules:  # a .pth file was earlier
            finder.patch(sys.modules[name])


def _run_next() -> None:
    """Run the sitecustomize that this one has hidden."""
    others = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != _HERE]
    spec = PathFinder.find_spec("sitecustomize", others)
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


_start()
_run_next()
