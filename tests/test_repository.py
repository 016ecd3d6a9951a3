"""What is true of the repository as a whole."""

from __future__ import annotations

import ast
import importlib.metadata
import inspect
import io
import re
import subprocess
import tokenize
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import vo_auth

ROOT = Path(__file__).parents[1]
PINS = ROOT / "requirements" / "dev.txt"
MEMBERS = (ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml")))
IMPORT_PACKAGES = (ROOT / "vo_auth", *sorted(path for path in ROOT.glob("plugins/*/vo_auth_*") if path.is_dir()))

NOT_OURS = {"__pycache__", "build", "dist", "node_modules"}
TOP_LEVEL = (
    ".ci/run",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "pyproject.toml",
)
LOCK_FILES = {
    "Pipfile.lock",
    "conda-lock.yml",
    "package-lock.json",
    "pdm.lock",
    "poetry.lock",
    "pylock.toml",
    "uv.lock",
}

# Written in two parts, so that this file does not name what it forbids.
REGISTRY_HOSTS = (
    "pypi" + ".org",
    "python" + "hosted.org",
    "npm" + "js.org",
    "npm" + "js.com",
    "conda" + ".anaconda.org",
)
MACHINE_PATH = re.compile(r"(?<![\w.:/~-])/(?:work|root|home/\w+|Users/\w+|tmp/dev|opt/\w+)/|[A-Z]:\\\\?Users\\\\?\w")


@cache
def files() -> tuple[Path, ...]:
    """Return the files that belong to the repository: those git knows or would add, else all that are not made."""
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True).stdout
        found = (ROOT / name for name in listed.split("\0") if name)
    else:
        found = (path for path in ROOT.rglob("*") if not is_made(path))
    return tuple(sorted(path for path in found if path.is_file()))


def is_made(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    return any(part in NOT_OURS or (part.startswith(".") and part != ".ci") for part in parts)


@cache
def texts() -> dict[str, str]:
    found = {}
    for path in files():
        try:
            found[str(path.relative_to(ROOT))] = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
    return found


def python_sources() -> dict[str, str]:
    return {name: text for name, text in texts().items() if name.endswith(".py")}


@cache
def project(member: Path) -> dict[str, object]:
    table = tomllib.loads((member / "pyproject.toml").read_text("utf-8"))["project"]
    assert isinstance(table, dict)
    return table


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_what_a_visitor_looks_for_is_there(name: str) -> None:
    assert (ROOT / name).read_text("utf-8").strip()


def test_every_distribution_carries_the_same_licence() -> None:
    assert {(member / "LICENSE").read_text("utf-8") for member in MEMBERS} == {(ROOT / "LICENSE").read_text("utf-8")}


def test_the_changelog_has_the_version() -> None:
    version = project(ROOT)["version"]
    assert re.search(rf"^## \[{re.escape(str(version))}\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert vo_auth.__version__ == version


def test_no_file_names_a_registry_host() -> None:
    assert [(name, host) for name, text in texts().items() for host in REGISTRY_HOSTS if host in text.lower()] == []


def test_no_file_has_a_path_of_somebodys_machine() -> None:
    assert [(name, found[0]) for name, text in texts().items() for found in MACHINE_PATH.finditer(text)] == []


# The slashes are put in later, so that this file has no such path either.
@pytest.mark.parametrize(
    "text", ["see |work|x", "'|root|.config'", "|home|someone|x", 'open("|tmp|dev|x")', "C:|Users|x"]
)
def test_a_path_of_a_machine_is_recognised(text: str) -> None:
    assert MACHINE_PATH.search(text.replace("|", "\\" if ":" in text else "/"))


@pytest.mark.parametrize(
    "text", ["https://archive.example.org/work/x", "https://a/root/", "../work/", "framework/root"]
)
def test_a_path_in_a_url_is_not_one_of_a_machine(text: str) -> None:
    assert not MACHINE_PATH.search(text)


def test_there_are_no_lock_files() -> None:
    assert [path for path in files() if path.name in LOCK_FILES] == []


def test_modules_fit_in_the_head() -> None:
    lengths = {name: len(text.splitlines()) for name, text in python_sources().items()}
    limits = {name: 600 if "tests/" in name else 450 for name in lengths}  # tests are read one at a time
    assert {name: length for name, length in lengths.items() if length > limits[name]} == {}


def lines_of_code(source: str) -> int:
    """Count lines that have code on them: no docstrings, comments or empty lines."""
    silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in silent:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def test_lines_of_code_are_counted() -> None:
    assert lines_of_code('"""Words\nwords."""\n\n# why\nx = (\n    1  # one\n)\n') == 3


PLUGINS = [path for path in IMPORT_PACKAGES if path.name != "vo_auth"]


@pytest.mark.parametrize("package", PLUGINS, ids=lambda path: path.name)
def test_a_plugin_is_data_and_small_functions(package: Path) -> None:
    """Its stand-in, a folder of its own, is left out."""
    assert sum(lines_of_code(path.read_text(encoding="utf-8")) for path in package.glob("*.py")) < 150


def public_lists() -> Iterator[tuple[str, list[str]]]:
    for name, text in python_sources().items():
        for node in ast.parse(text, name).body:
            if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == "__all__" for target in node.targets):
                yield name, ast.literal_eval(node.value)


def test_public_names_are_sorted() -> None:
    wrong = [
        name for name, public in public_lists() if public not in (sorted(public), sorted(public, key=str.casefold))
    ]
    assert not wrong
    assert [name for name, public in public_lists() if len(set(public)) < len(public)] == []


@pytest.mark.parametrize("package", IMPORT_PACKAGES, ids=lambda path: path.name)
def test_packages_say_that_they_are_typed(package: Path) -> None:
    assert (package / "py.typed").is_file()


def sections(docstring: str) -> dict[str, str]:
    """Split a numpydoc docstring by its headings; the text above the first one is under the empty name."""
    parts = re.split(r"^([A-Z][A-Za-z ]+)\n-{3,}\n", docstring, flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def documented(section: str) -> set[str]:
    """Return the names that a Parameters section has: at the margin, several on one line apart by commas."""
    lines = (line for line in section.splitlines() if line and not line[0].isspace())
    return {name.strip(" *") for line in lines for name in line.partition(" :")[0].split(",")}


def parameters(signature: inspect.Signature) -> set[str]:
    return {name for name in signature.parameters if name not in ("self", "cls") and not name.startswith("_")}


def missing_from_docstring(name: str, thing: object) -> Iterator[str]:
    docstring = inspect.cleandoc(getattr(thing, "__doc__", None) or "")
    found = sections(docstring)
    summary = found[""].strip().partition("\n\n")[0]
    if not summary or summary[-1] not in ".:":
        yield f"{name}: no summary that ends in a full stop"
    is_function = inspect.isroutine(thing)
    takes_arguments = is_function or (inspect.isclass(thing) and "__init__" in vars(thing))
    if takes_arguments and callable(thing):
        signature = inspect.signature(thing)
        for parameter in sorted(parameters(signature) - documented(found.get("Parameters", ""))):
            yield f"{name}: the parameter {parameter} is not described"
        returns = signature.return_annotation
        if (
            is_function
            and returns not in (None, "None", inspect.Signature.empty)
            and not {"Returns", "Yields"} & found.keys()
        ):
            yield f"{name}: what it returns is not described"


def test_every_public_name_is_documented() -> None:
    things = {name: getattr(vo_auth, name) for name in vo_auth.__all__}
    described = {name: thing for name, thing in things.items() if inspect.isroutine(thing) or inspect.isclass(thing)}
    assert described
    assert [line for name, thing in described.items() for line in missing_from_docstring(name, thing)] == []


def test_a_docstring_that_lacks_something_is_noticed() -> None:
    def fetch(url: str, *, limit: int) -> int:
        """Fetch a thing.

        Parameters
        ----------
        url
            Where it is.
        """
        return len(url) + limit

    assert list(missing_from_docstring("fetch", fetch)) == [
        "fetch: the parameter limit is not described",
        "fetch: what it returns is not described",
    ]


# The pins are compiled on one Python on Linux. That they are complete elsewhere is shown here.

PLATFORMS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"},
    "macos": {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"},
    "windows": {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"},
}
VERSIONS = ("3.11", "3.12", "3.13")


@cache
def pins() -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", PINS.read_text("utf-8"), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def wanted_by_us() -> Iterator[str]:
    for member in MEMBERS:
        table = tomllib.loads((member / "pyproject.toml").read_text("utf-8"))
        extras = table["project"].get("optional-dependencies", {})
        yield from table["build-system"]["requires"]
        yield from table["project"].get("dependencies", [])
        yield from (line for extra in ("pyvo", "sandbox") for line in extras.get(extra, []))
    lines = (
        line.partition("#")[0].strip() for line in (ROOT / "requirements" / "dev.in").read_text("utf-8").splitlines()
    )
    yield from (line for line in lines if line)


def wanted_by(name: str) -> list[str]:
    try:
        return importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return []  # pinned for another Python or platform, or not pinned at all, which is found all the same


def unmet(environment: dict[str, str]) -> Iterator[str]:
    """Walk from what we want to what that wants, by the metadata of what is installed."""
    own = {canonicalize_name(str(project(member)["name"])) for member in MEMBERS}
    waiting = [(line, frozenset({""})) for line in wanted_by_us()]
    seen = set()
    while waiting:
        line, extras = waiting.pop()
        requirement = Requirement(line)
        name = canonicalize_name(requirement.name)
        marker = requirement.marker
        if name in own or (marker and not any(marker.evaluate({**environment, "extra": extra}) for extra in extras)):
            continue
        if name not in pins() or not requirement.specifier.contains(pins()[name], prereleases=True):
            yield f"{line} (pinned: {pins().get(name, 'nothing')})"
        key = (name, frozenset({"", *requirement.extras}))
        if key not in seen:
            seen.add(key)
            waiting += [(inner, key[1]) for inner in wanted_by(name)]


@pytest.mark.parametrize(("platform", "version"), [*product(PLATFORMS, VERSIONS)])
def test_the_pins_are_complete_on_every_python_and_platform(platform: str, version: str) -> None:
    environment = {**PLATFORMS[platform], "python_version": version, "python_full_version": f"{version}.0"}
    assert sorted(unmet({**environment, "platform_python_implementation": "CPython"})) == []


def test_every_pin_has_a_hash_and_nothing_else() -> None:
    lines = [line.rstrip(" \\") for line in PINS.read_text("utf-8").splitlines()]
    wrong = [
        line
        for line in lines
        if line and not re.fullmatch(r"\s*#.*|[A-Za-z0-9._-]+==\S+|\s+--hash=sha256:[0-9a-f]{64}", line)
    ]
    assert not wrong
    assert "--hash=sha256" in "".join(lines)
