"""A sandbox in a network of its own, for programs that heed neither proxies nor ``sitecustomize``. Linux only.

A child process enters new network and mount namespaces (and a user namespace, where it is not root), brings up the
loopback interface there, serves the stand-ins on the real ports, and puts a hosts file and the sandbox's authority in
the place of the system's own, for itself and the command alone. Packets cannot leave: the namespace has no other
interface. It is no prison for hostile programs: they see the same files and Unix sockets as before.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import ssl
import struct
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import certifi

from .error import SandboxError
from .host import Sandbox
from .process import execute, exit_status, forwarded_signals

__all__ = ["run_isolated"]

_REAL_PORTS = (443, 80)
# From the kernel's sched.h, mount.h, if.h and sockios.h.
_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1
_HOSTS = Path("/etc/hosts")
# Debian; Fedora and its relatives; Alpine and others; SUSE.
_CA_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
)


def run_isolated(command: Sequence[str], make: Callable[..., Sandbox]) -> int:
    """Run a command in a sandbox with a network of its own.

    Parameters
    ----------
    command
        Program and arguments.
    make
        Makes the sandbox; called with ``ports``, in the child process.

    Returns
    -------
    int
        The command's exit status as a shell has it.

    Raises
    ------
    SandboxError
        This system does not permit it, or the sandbox cannot start as asked.
    """
    reading, writing = os.pipe()
    with forwarded_signals() as forward:
        child = os.fork()
        if child == 0:
            os.close(reading)
            _be_the_child(command, make, writing)
        os.close(writing)
        forward.to(lambda number: os.kill(child, number))
        with os.fdopen(reading, encoding="utf-8") as pipe:
            trouble = pipe.read()  # ends when the command starts, or with the child
        _, status = os.waitpid(child, 0)
    if trouble:
        raise SandboxError(trouble)
    return exit_status(os.waitstatus_to_exitcode(status))


def _be_the_child(command: Sequence[str], make: Callable[..., Sandbox], report: int) -> NoReturn:
    status = 1
    for number in (signal.SIGINT, signal.SIGTERM):  # until the command gets them
        signal.signal(number, signal.default_int_handler)
    try:
        _enter_namespaces()
        _bring_up_loopback()
        with make(ports=_REAL_PORTS) as sandbox:
            _replace_files(sandbox)
            os.close(report)
            status = execute(command, sandbox)
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    except BaseException as error:
        with suppress(OSError):  # closed: the command has run
            os.write(report, (str(error) or repr(error)).encode())
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _enter_namespaces() -> None:
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    own = _CLONE_NEWNET | _CLONE_NEWNS
    if user == 0 and libc.unshare(own) == 0:
        return
    if libc.unshare(own | _CLONE_NEWUSER) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise SandboxError(
            f"this system permits no network namespace ({reason}): run the command without --isolate, or as root, or"
            " allow unprivileged user namespaces"
        )
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")


def _bring_up_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


def _replace_files(sandbox: Sandbox) -> None:
    hosts = sandbox.folder / "hosts"
    names = ["localhost", socket.gethostname(), *sandbox.hosts]
    lines = [*(f"127.0.0.1 {name}" for name in names), "::1 localhost", ""]
    hosts.write_text("\n".join(lines), encoding="ascii")
    _mount("none", "/", _MS_REC | _MS_PRIVATE)
    _mount(str(hosts), str(_HOSTS), _MS_BIND)
    for bundle in _bundles((*_CA_BUNDLES, certifi.where(), ssl.get_default_verify_paths().openssl_cafile)):
        _mount(str(sandbox.ca_pem), bundle, _MS_BIND)


def _bundles(candidates: Iterable[str]) -> set[str]:
    return {str(Path(candidate).resolve()) for candidate in candidates if Path(candidate).is_file()}


def _mount(source: str, target: str, flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), target.encode(), None, ctypes.c_ulong(flags), None) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise SandboxError(
            f"this system does not permit to replace {target} ({reason}): run the command without --isolate"
        )
