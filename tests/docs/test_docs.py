"""Every example in the documents runs, and what must be documented is."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import tomllib
from pathlib import Path

import pytest

import vo_auth
from vo_auth import errors, hookspecs
from vo_auth.registry import Registry

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TABLES = re.compile(r"^```toml\n(\[(?:archive\.|sources).*?)^```", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


# Pages are written for people: they close nothing, and pyvo leaves some answers unread.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.name)
def test_the_examples_of_a_page_run_one_after_the_other(
    page: Path, vo_auth_sandbox: object, capsys: pytest.CaptureFixture[str]
) -> None:
    namespace: dict[str, object] = {"__name__": "page"}
    for number, source in enumerate(blocks(page)):
        exec(compile(source, f"{page.name}, example {number + 1}", "exec"), namespace)


CONFIGURED = [page for page in PAGES if TABLES.search(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", CONFIGURED, ids=lambda page: page.name)
def test_the_configurations_on_a_page_are_accepted(page: Path, vo_auth_home: Path) -> None:
    vo_auth_home.mkdir(mode=0o700)
    for table in TABLES.findall(page.read_text(encoding="utf-8")):
        path = vo_auth_home / "config.toml"
        path.write_text(table, encoding="utf-8")
        path.chmod(0o600)
        known = {archive.name for archive, _ in Registry().archives()}  # an error says what is wrong with the table
        assert set(tomllib.loads(table).get("archive", {})) <= known


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_error_and_warning_is_documented() -> None:
    text = (ROOT / "docs/reference/errors.md").read_text(encoding="utf-8")
    assert [name for name in errors.__all__ if f"`{name}`" not in text] == []


def test_every_hook_is_documented() -> None:
    text = (ROOT / "docs/reference/hooks.md").read_text(encoding="utf-8")
    hooks = [name for name in vars(hookspecs) if name.startswith("vo_auth_")]
    assert [name for name in hooks if f"`{name}`" not in text] == []


def test_every_environment_variable_that_the_code_reads_is_documented() -> None:
    text = (ROOT / "docs/reference/environment.md").read_text(encoding="utf-8")
    code = [
        path.read_text(encoding="utf-8") for path in (ROOT / "vo_auth").rglob("*.py") if "sandbox" not in path.parts
    ]
    read = {name for source in code for name in re.findall(r'environ(?:\.get\(|\[)"(VO_AUTH_\w+)"', source)}
    assert read
    assert sorted(name for name in read if f"`{name}`" not in text) == []


MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(vo_auth.__path__, "vo_auth.")
    if not module.name.startswith(("vo_auth.cli", "vo_auth.sandbox.isolated", "vo_auth.sandbox._site"))
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_run(name: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


def test_no_module_hides_a_public_name() -> None:
    modules = {module.name for module in pkgutil.iter_modules(vo_auth.__path__)}
    assert modules & set(vo_auth.__all__) == set()
