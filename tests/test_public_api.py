"""The public names, and what their documentation owes its readers."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

import vo_auth
from vo_auth import (
    clock,
    credentials,
    domain,
    duration,
    errors,
    flows,
    hookspecs,
    login_client,
    permit,
    registry,
    testing,
)

NAMES = [
    "Archive",
    "AuthSession",
    "Domain",
    "Downloaded",
    "Explanation",
    "HeldPermit",
    "Hop",
    "Identity",
    "Known",
    "LoggedOut",
    "Pages",
    "Secret",
    "VoAuthError",
    "VoAuthWarning",
    "__version__",
    "anonymous",
    "attach",
    "detach",
    "download",
    "explain",
    "groups",
    "hookimpl",
    "login",
    "logout",
    "session_for",
    "status",
    "token",
    "whoami",
]
PUBLIC_MODULES = [vo_auth, errors, flows, hookspecs, permit, testing]  # what plugins may import
CORE_MODULES = [*PUBLIC_MODULES, clock, credentials, domain, duration, login_client, registry]


def test_the_public_names_are_the_documented_ones() -> None:
    assert vo_auth.__all__ == NAMES


def test_every_public_name_resolves_and_is_shown() -> None:
    for name in NAMES:
        assert getattr(vo_auth, name) is not None
    assert dir(vo_auth) == sorted(NAMES)


def test_a_star_import_gives_the_public_names() -> None:
    namespace: dict[str, object] = {}
    exec("from vo_auth import *", namespace)
    assert set(NAMES) <= set(namespace)


def test_the_names_that_type_checkers_see_are_those_that_resolve() -> None:
    tree = ast.parse(Path(vo_auth.__file__).read_text(encoding="utf-8"))
    (guarded,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.name: node.module for node in guarded.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert seen == vo_auth._HOMES
    assert set(seen) == set(NAMES)


def test_no_module_hides_a_public_name() -> None:
    folder = Path(vo_auth.__file__).parent
    assert {path.stem for path in folder.iterdir()} & set(NAMES) == set()


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'vo_auth' has no attribute 'sesion_for'"):
        vo_auth.sesion_for  # noqa: B018


@pytest.mark.parametrize("module", CORE_MODULES, ids=lambda module: module.__name__)
def test_all_of_a_public_module_resolves(module: ModuleType) -> None:
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


def test_a_session_is_a_requests_session_and_nothing_else_is_needed_for_it() -> None:
    code = (
        "import requests, vo_auth\n"
        "session = vo_auth.session_for('https://archive.example.org/tap', token='obviously-fake')\n"
        "assert isinstance(session, requests.Session) and type(session) is vo_auth.AuthSession\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# ---------------------------------------------------------------- numpydoc


def sections(thing: object) -> dict[str, str]:
    parts = re.split(r"^([A-Z][A-Za-z ]+)\n-{3,}\n", inspect.getdoc(thing) or "", flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def described(section: str) -> list[str]:
    lines = [line for line in section.splitlines() if line and not line[0].isspace()]
    return [name.strip(" *") for line in lines for name in line.split(",")]


def functions(module: ModuleType) -> Iterator[tuple[str, Callable[..., object]]]:
    for name in module.__all__:
        thing = getattr(module, name)
        if inspect.isfunction(thing):
            yield f"{module.__name__}.{name}", thing
        elif inspect.isclass(thing) and thing.__module__.startswith("vo_auth"):
            for attribute, member in vars(thing).items():
                if inspect.isfunction(member) and not attribute.startswith("_"):
                    yield f"{module.__name__}.{name}.{attribute}", member


FUNCTIONS = {name: function for module in CORE_MODULES for name, function in functions(module)}


def wrong_in(name: str, function: Callable[..., object]) -> Iterator[str]:
    """Say what a docstring lacks or has too much: of a method only, where its class says what it takes."""
    found = sections(function)
    summary = " ".join(found[""].strip().partition("\n\n")[0].split())
    if summary and not re.fullmatch(r"[A-Z][a-z]+\b.*[.:]", summary):
        yield f"{name}: the summary {summary!r}"
    taken = {parameter for parameter in inspect.signature(function).parameters if parameter not in ("self", "cls")}
    known = described(found.get("Parameters", ""))
    if len(known) != len(set(known)):
        yield f"{name}: a parameter comes twice"
    missing = set() if not known and "." in name.removeprefix("vo_auth.").partition(".")[2] else taken - set(known)
    yield from (f"{name}: {parameter} is not described" for parameter in sorted(missing))
    yield from (f"{name}: there is no {parameter}" for parameter in sorted(set(known) - taken))
    for raised in described(found.get("Raises", "")):
        if not hasattr(errors, raised) and not hasattr(builtins, raised) and not raised.startswith("requests."):
            yield f"{name}: there is no exception {raised}"


def test_docstrings_describe_what_is_there() -> None:
    assert len(FUNCTIONS) > 20
    assert [line for name, function in FUNCTIONS.items() for line in wrong_in(name, function)] == []


@pytest.mark.parametrize("name", [name for name in NAMES if inspect.isfunction(getattr(vo_auth, name))])
def test_a_public_function_says_what_it_takes_gives_and_raises(name: str) -> None:
    function = getattr(vo_auth, name)
    found = sections(function)
    assert set(described(found.get("Parameters", ""))) == set(inspect.signature(function).parameters)
    if name != "anonymous":  # a context manager that takes nothing and cannot fail
        assert found["Returns"].strip()
        assert found["Raises"].strip()


def test_the_checker_notices_what_is_missing() -> None:
    def example(one: int, two: int) -> None:
        """Do it.

        Parameters
        ----------
        one, three
            Numbers.

        Raises
        ------
        NoSuchError
            Never.
        """

    assert list(wrong_in("vo_auth.example", example)) == [
        "vo_auth.example: two is not described",
        "vo_auth.example: there is no three",
        "vo_auth.example: there is no exception NoSuchError",
    ]
