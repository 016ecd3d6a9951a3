"""Imports run one way, and heavy packages are imported where they are used: read from the source itself."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = "vo_auth"


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# From the bottom to the top. A module imports from rows above its own, or from its own row where that makes no cycle.
# A name stands for the module or for the whole package: `flows` is flows/ with all that is in it.
LAYERS: tuple[frozenset[str], ...] = (
    names("_version errors scrub secret sent duration telling trace verdict"),
    names("clock domain"),
    names("permit challenge"),
    names("grant archive"),
    names("login_client hookspecs unreachable"),
    names("configuration registry published flows masking credentials environ remedies reach"),
    names("wallet"),
    names("claims edge adapter answers certified connections exchange kin mounts naming steps wire"),
    names("session"),
    names("attachment integrations transfer"),
    names("api asking decision explanation farewell gms handoff holdings hops inquiry lookup verified written"),
    names("__init__"),
    names("cli diagnosis testing sandbox demo"),
)

# Imports that break the order for a reason: (importer, imported): reason.
EXCEPTIONS: dict[tuple[str, str], str] = {}

# Never at module level in core: imported where they are used.
HEAVY = names(
    "aiohttp anyio astropy astroquery authlib cryptography filelock fsspec httpx icoscp_core joserfc keyring lxml"
    " multidict numpy platformdirs pluggy pydantic pydantic_xml pyvo rich sqlglot trustme typer vo_models yarl"
)
WEB = HEAVY - names("anyio astroquery filelock fsspec httpx icoscp_core keyring platformdirs pluggy pyvo rich typer")

# Who may import which of them at module level all the same.
ALLOWED_HEAVY: dict[str, frozenset[str]] = {
    "hookspecs": names("pluggy"),
    "cli": names("typer rich"),
    "demo": names("rich"),
    "integrations._httpx_body": names("httpx"),
    "integrations.aiohttp": names("aiohttp multidict yarl"),
    "integrations.astropy": names("astropy"),
    "integrations.astroquery": names("astroquery pyvo"),
    "integrations.httpx": names("anyio httpx"),
    "integrations.icoscp": names("icoscp_core"),
    "integrations.pyvo": names("pyvo"),
    "sandbox": WEB,
    "sandbox.__init__": frozenset(),
    "sandbox.standin": frozenset(),
    "sandbox.faults": frozenset(),
}

# What plugins may import from us; a trailing .* means all that is inside.
PUBLIC = (
    "vo_auth",
    "vo_auth.archive",
    "vo_auth.domain",
    "vo_auth.errors",
    "vo_auth.flows",
    "vo_auth.hookspecs",
    "vo_auth.permit",
    "vo_auth.sandbox.*",
    "vo_auth.testing.*",
)


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module as the source has it."""

    importer: str  # dotted, a package's own file as package.__init__
    target: str  # dotted, absolute
    line: int
    at_import_time: bool


def module_name(path: Path, base: Path) -> str:
    return ".".join(path.relative_to(base).with_suffix("").parts)


@cache
def modules(base: Path, package: str) -> frozenset[str]:
    return frozenset(module_name(path, base) for path in (base / package).rglob("*.py"))


def is_type_checking(test: ast.expr) -> bool:
    return "TYPE_CHECKING" in (getattr(test, "id", None), getattr(test, "attr", None))


def import_nodes(node: ast.AST, *, at_import_time: bool = True) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Walk over what runs; what only a type checker reads is left out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, at_import_time
        elif isinstance(child, ast.If) and is_type_checking(child.test):
            for other in child.orelse:
                yield from import_nodes(ast.Module([other], []), at_import_time=at_import_time)
        else:
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from import_nodes(child, at_import_time=at_import_time and not is_function)


def targets(node: ast.Import | ast.ImportFrom, importer: str, known: frozenset[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    base = node.module or ""
    if node.level:
        package = importer.split(".")[: -node.level]
        base = ".".join([*package, *([node.module] if node.module else [])])
    for alias in node.names:
        inner = f"{base}.{alias.name}"
        yield inner if inner in known or f"{inner}.__init__" in known else base


def read_imports(path: Path, base: Path, known: frozenset[str]) -> Iterator[Import]:
    importer = module_name(path, base)
    for node, at_import_time in import_nodes(ast.parse(path.read_text("utf-8"), str(path))):
        for target in targets(node, importer, known):
            yield Import(importer, target, node.lineno, at_import_time)


@cache
def core_imports() -> tuple[Import, ...]:
    known = modules(ROOT, CORE)
    return tuple(found for path in sorted((ROOT / CORE).rglob("*.py")) for found in read_imports(path, ROOT, known))


def plugin_packages() -> list[Path]:
    return sorted(path for path in ROOT.glob("plugins/*/vo_auth_*") if path.is_dir())


@cache
def plugin_imports() -> tuple[Import, ...]:
    return tuple(
        found
        for package in plugin_packages()
        for path in sorted(package.rglob("*.py"))
        for found in read_imports(path, package.parent, modules(ROOT, CORE))
    )


def inner(name: str) -> str:
    """Return a core module's name as the table above writes it: without the leading package."""
    rest = name.removeprefix(CORE).removeprefix(".")
    return rest or "__init__"


def layer(name: str) -> int | None:
    part = inner(name).split(".")[0]
    return next((index for index, row in enumerate(LAYERS) if part in row), None)


def is_core(name: str) -> bool:
    return name == CORE or name.startswith(f"{CORE}.")


def own_file(name: str) -> str:
    """Return the module that is executed for a dotted name."""
    return f"{name}.__init__" if f"{name}.__init__" in modules(ROOT, CORE) else name


def test_every_module_has_its_place_in_the_order() -> None:
    homeless = sorted(name for name in modules(ROOT, CORE) if layer(name) is None)
    assert not homeless, f"give these a place in LAYERS: {homeless}"


def test_imports_run_one_way() -> None:
    wrong = []
    for found in core_imports():
        if not is_core(found.target) or (inner(found.importer), inner(found.target)) in EXCEPTIONS:
            continue
        mine, other = layer(found.importer), layer(found.target)
        if mine is not None and other is not None and other > mine:
            wrong.append(f"{found.importer}:{found.line} imports {found.target} from above")
    assert not wrong, "\n".join(wrong)


def test_no_exception_to_the_order_is_out_of_date() -> None:
    seen = {(inner(found.importer), inner(found.target)) for found in core_imports()}
    assert set(EXCEPTIONS) <= seen


def test_there_are_no_cycles() -> None:
    graph: dict[str, set[str]] = {}
    for found in core_imports():
        target = own_file(found.target)
        lazy_package = not found.at_import_time and target.endswith("__init__")
        # A package's own file collects the names of its parts; a part that asks for one later makes no cycle at import.
        if is_core(target) and target != found.importer and not lazy_package:
            graph.setdefault(found.importer, set()).add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_core_imports_no_plugin() -> None:
    wrong = [found for found in core_imports() if found.target.split(".")[0].startswith("vo_auth_")]
    assert not wrong


def test_plugins_import_only_the_public_modules() -> None:
    wrong = []
    for found in plugin_imports():
        own = found.importer.split(".")[0]
        first = found.target.split(".")[0]
        if first.startswith("vo_auth_") and first != own:
            wrong.append(f"{found.importer}:{found.line} imports another plugin, {found.target}")
        if is_core(found.target) and not is_public(found.target):
            wrong.append(f"{found.importer}:{found.line} imports {found.target}, which is not public")
    assert not wrong, "\n".join(wrong)


def is_public(name: str) -> bool:
    return any(
        name == public.removesuffix(".*") or (public.endswith(".*") and name.startswith(public[:-1]))
        for public in PUBLIC
    )


def allowed_heavy(importer: str) -> frozenset[str]:
    part = inner(importer)
    return ALLOWED_HEAVY.get(part, ALLOWED_HEAVY.get(part.split(".")[0], frozenset()))


def test_core_imports_heavy_packages_where_they_are_used() -> None:
    wrong = [
        f"{found.importer}:{found.line} imports {found.target} at module level"
        for found in core_imports()
        if found.at_import_time and found.target.split(".")[0] in HEAVY - allowed_heavy(found.importer)
    ]
    assert not wrong, "\n".join(wrong)


def test_plugins_import_heavy_packages_in_their_stand_ins_alone() -> None:
    wrong = [
        f"{found.importer}:{found.line} imports {found.target} at module level"
        for found in plugin_imports()
        if found.at_import_time and "standin" not in found.importer.split(".") and found.target.split(".")[0] in HEAVY
    ]
    assert not wrong, "\n".join(wrong)


def test_importing_the_library_loads_nothing_heavy() -> None:
    # hookimpl is a public name of ours, and needs pluggy
    code = "import json, sys, vo_auth; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert (HEAVY - {"pluggy"}) & set(json.loads(done.stdout)) == set()


def test_the_reader_tells_what_runs_from_what_does_not() -> None:
    source = """
import a
if TYPE_CHECKING:
    import b
else:
    import c
try:
    import d
except ImportError:
    pass
class E:
    import e
def f():
    import f
"""
    found = {node.names[0].name: at_import_time for node, at_import_time in import_nodes(ast.parse(source))}
    assert found == {"a": True, "c": True, "d": True, "e": True, "f": False}


def test_relative_imports_are_resolved() -> None:
    known = names("vo_auth.flows.__init__ vo_auth.flows.held vo_auth.errors vo_auth.__init__")

    def resolve(code: str, importer: str) -> list[str]:
        node = ast.parse(code).body[0]
        assert isinstance(node, ast.Import | ast.ImportFrom)
        return list(targets(node, importer, known))

    assert resolve("from . import held", "vo_auth.flows.__init__") == ["vo_auth.flows.held"]
    assert resolve("from .. import errors", "vo_auth.flows.held") == ["vo_auth.errors"]
    assert resolve("from .errors import VoAuthError", "vo_auth.__init__") == ["vo_auth.errors"]
    assert resolve("from vo_auth import flows, Archive", "vo_auth.cli") == ["vo_auth.flows", "vo_auth"]
