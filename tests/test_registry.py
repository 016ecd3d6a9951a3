"""Which archive a URL belongs to: plugins from real distributions, each alone; the longest domain; clashes."""

from __future__ import annotations

import base64
import hashlib
import itertools
import subprocess
import sys
import textwrap
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import vo_auth
from vo_auth import Archive, Domain
from vo_auth.domain import Origin, Target
from vo_auth.errors import AnonymousWarning, PluginClashError, PluginNotInstalledError, PluginWarning
from vo_auth.registry import Match, Registry

Distribution = Callable[..., None]

PLUGIN = """
from vo_auth import Archive, Domain, hookimpl
from vo_auth.flows import PastedToken

@hookimpl
def vo_auth_archives():
    return [Archive(name="{name}", title="{name}", domains=({domains}), flows=(PastedToken(),))]
"""


def source(name: str, *bases: str) -> str:
    return PLUGIN.format(name=name, domains="".join(f"Domain({base!r}), " for base in bases))


def digest(path: Path) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).decode().rstrip("=")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            del sys.modules[name]


@pytest.fixture
def distribution(site: Path) -> Distribution:
    """Install a distribution as pip does: module, METADATA, WHEEL, entry_points.txt, RECORD."""

    def install(name: str, code: str, *, entry: str = "", version: str = "1.0", with_metadata: bool = True) -> None:
        module = name.replace("-", "_")
        info = site / f"{module}-{version}.dist-info"
        info.mkdir()
        files = {
            site / f"{module}.py": textwrap.dedent(code),
            info / "WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
        }
        files[info / "entry_points.txt"] = f"[vo_auth]\n{entry or module} = {module}\n"
        if with_metadata:
            files[info / "METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        for path, text in files.items():
            path.write_text(text)
        record = [f"{path.relative_to(site).as_posix()},{digest(path)},{path.stat().st_size}" for path in files]
        (info / "RECORD").write_text("\n".join([*record, f"{info.name}/RECORD,,"]) + "\n")

    return install


def find(registry: Registry, url: str) -> Match | None:
    return registry.find(Target.from_url(url))


def name_at(registry: Registry, url: str) -> str:
    match = find(registry, url)
    return match.archive.name if match else ""


# ---------------------------------------------------------------- plugins


def test_a_plugin_from_anywhere_is_found_and_works_like_ours(distribution: Distribution) -> None:
    distribution("acme-archive", source("acme", "https://acme.example.org/tap"), version="2.5")
    registry = Registry()
    match = find(registry, "https://acme.example.org/tap/sync")
    assert match is not None
    assert (match.archive.name, match.distribution) == ("acme", "acme-archive")
    assert registry.get("acme") is match.archive
    plugins = {plugin.name: plugin for plugin in registry.plugins()}
    assert (plugins["acme_archive"].distribution, plugins["acme_archive"].version) == ("acme-archive", "2.5")
    assert plugins["acme_archive"].problem == ""
    assert ("acme", "acme-archive") in [(archive.name, plugin.distribution) for archive, plugin in registry.archives()]


def test_a_plugin_works_through_the_public_api_of_another_process(distribution: Distribution, site: Path) -> None:
    distribution("acme-archive", source("acme", "https://acme.example.org"))
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "import vo_auth\n"
        "from vo_auth.errors import CredentialsNotFoundError\n"
        "session = vo_auth.session_for('https://acme.example.org/tap', interactive=False)\n"
        "try: session.get('https://acme.example.org/tap')\n"
        "except CredentialsNotFoundError as error: print(str(error).splitlines()[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "VO_AUTH_ACME_TOKEN" in done.stdout
    assert done.stderr == ""


GOOD = source("good", "https://good.example.org")
BROKEN = {
    "raises at import": ("raise RuntimeError('no such luck')", "left out: RuntimeError: no such luck"),
    "leaves at import": ("import sys; sys.exit('bye')", "left out: SystemExit: bye"),
    "does not parse": ("def", "left out: SyntaxError"),
    "misspelt hook": (
        """
        from vo_auth import hookimpl
        @hookimpl
        def vo_auth_archive():
            return []
        """,
        "left out: it has a hook 'vo_auth_archive', which does not exist",
    ),
    "misspelt hook beside a good one": (
        """
        from vo_auth import hookimpl
        @hookimpl
        def vo_auth_archives():
            raise AssertionError("never asked")
        @hookimpl
        def vo_auth_zzz():
            return []
        """,
        "left out: it has a hook 'vo_auth_zzz', which does not exist",
    ),
    "raises when called": (
        """
        from vo_auth import hookimpl
        @hookimpl
        def vo_auth_archives():
            raise LookupError("later")
        """,
        "failed in vo_auth_archives: LookupError: later",
    ),
    "raises in the middle": (
        """
        from vo_auth import hookimpl
        @hookimpl
        def vo_auth_archives():
            yield from ()
            raise LookupError("later")
        """,
        "failed in vo_auth_archives: LookupError: later",
    ),
    "wrong signature": (
        """
        from vo_auth import hookimpl
        @hookimpl
        def vo_auth_archives(config):
            return []
        """,
        "left out: PluginValidationError",
    ),
    "gives nothing": (
        """
        from vo_auth import hookimpl
        @hookimpl
        def vo_auth_archives():
            return None
        """,
        "failed in vo_auth_archives: TypeError",
    ),
    "gives something else": (
        """
        from vo_auth import hookimpl
        @hookimpl
        def vo_auth_archives():
            return ["https://bad.example.org"]
        """,
        "failed in vo_auth_archives: TypeError: it gave a str",
    ),
    "an archive that makes no sense": (
        source("bad", "http://bad.example.org"),
        "failed in vo_auth_archives: ValueError: 'http://bad.example.org' must be https",
    ),
    "asks back while it is loaded": (
        """
        import vo_auth.registry
        from vo_auth import hookimpl
        @hookimpl
        def vo_auth_archives():
            return [archive for archive, _ in vo_auth.registry.UNDER_TEST.archives()]
        """,
        "failed in vo_auth_archives: RuntimeError: a plugin must not ask",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize("names", [("bad-plugin", "good-plugin"), ("zzz-bad-plugin", "good-plugin")])
def test_a_broken_plugin_is_reported_once_and_the_others_work(
    what: str, names: tuple[str, str], distribution: Distribution, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, problem = BROKEN[what]
    distribution(names[0], code, version="0.3")
    distribution(names[1], GOOD)
    registry = Registry()
    monkeypatch.setattr(vo_auth.registry, "UNDER_TEST", registry, raising=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert name_at(registry, "https://good.example.org/") == "good"
        assert name_at(registry, "https://bad.example.org/") == ""
        registry.archives()
        registry.credential_sources()
        registry.standins()
    (warning,) = [warning for warning in caught if names[0] in str(warning.message)]
    assert warning.category is PluginWarning
    assert f"{names[0]} 0.3" in str(warning.message)
    assert problem in str(warning.message)


def test_where_warnings_are_errors_the_report_comes_once_too(distribution: Distribution) -> None:
    distribution("bad-plugin", "raise RuntimeError('no')")
    distribution("good-plugin", GOOD)
    registry = Registry()
    with pytest.raises(PluginWarning, match="bad-plugin"):
        find(registry, "https://good.example.org/")
    assert name_at(registry, "https://good.example.org/") == "good"
    assert [plugin.distribution for plugin in registry.plugins()].count("bad-plugin") == 1


def test_a_broken_plugin_is_listed_with_its_problem(distribution: Distribution) -> None:
    distribution("bad-plugin", "raise RuntimeError('no such luck')")
    registry = Registry()
    with pytest.warns(PluginWarning):
        plugins = registry.plugins()
    (bad,) = [plugin for plugin in plugins if plugin.distribution == "bad-plugin"]
    assert bad.problem == "RuntimeError: no such luck"


@pytest.mark.parametrize("backport", [False, True])
def test_a_distribution_without_metadata_does_not_stop_the_others(
    *, backport: bool, distribution: Distribution
) -> None:
    if backport:  # replaces the finder of the standard library; keyring may bring it along
        pytest.importorskip("importlib_metadata")
    distribution("nameless", source("nameless", "https://nameless.example.org"), with_metadata=False)
    distribution("good-plugin", GOOD)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons deprecate such distributions themselves
        registry = Registry()
        assert name_at(registry, "https://good.example.org/") == "good"
        match = find(registry, "https://nameless.example.org/")
    assert match is not None
    assert match.distribution == "an unknown distribution"


SOURCES = """
from vo_auth import hookimpl

class Vault:
    name, rank = "vault", 45
    def find(self, wanted):
        return None

@hookimpl
def vo_auth_credential_sources():
    return [{what}]
"""


@pytest.mark.parametrize("what", ["object()", "1 / 0"])
def test_a_plugin_whose_source_is_none_is_reported_once_and_others_bring_theirs(
    what: str, distribution: Distribution
) -> None:
    distribution("bad-plugin", SOURCES.format(what=what))
    distribution("good-plugin", SOURCES.format(what="Vault()"))
    registry = Registry()
    with pytest.warns(PluginWarning, match="bad-plugin.*failed in vo_auth_credential_sources") as caught:
        names = [source.name for _ in range(2) for source in registry.credential_sources()]
    assert names == ["vault", "vault"]
    assert len(caught) == 1


def test_many_threads_load_the_plugins_once(distribution: Distribution) -> None:
    distribution("good-plugin", GOOD)
    registry, barrier, found = Registry(), threading.Barrier(8), list[str]()

    def look() -> None:
        barrier.wait()
        found.append(name_at(registry, "https://good.example.org/"))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["good"] * 8
    assert [plugin.distribution for plugin in registry.plugins()].count("good-plugin") == 1


# ---------------------------------------------------------------- clashes


def test_two_distributions_that_claim_one_domain_are_both_named(distribution: Distribution) -> None:
    distribution("acme-one", source("one", "https://shared.example.org/tap", "https://one.example.org"))
    distribution("acme-two", source("two", "https://shared.example.org/tap", "https://two.example.org"))
    registry = Registry()
    for _ in range(2):
        with pytest.raises(PluginClashError, match=r"https://shared\.example\.org/tap .*both acme-one and acme-two"):
            find(registry, "https://shared.example.org/tap/sync")
    assert name_at(registry, "https://shared.example.org/other") == ""
    assert name_at(registry, "https://one.example.org/") == "one"
    assert name_at(registry, "https://two.example.org/") == "two"
    assert registry.get("one").name == "one"


def test_two_archives_of_one_name_contest_what_either_claims(distribution: Distribution) -> None:
    distribution("acme-one", source("acme", "https://one.example.org"))
    distribution("acme-two", source("acme", "https://two.example.org"))
    distribution("good-plugin", GOOD)
    registry = Registry()
    for url in ("https://one.example.org/", "https://two.example.org/"):
        with pytest.raises(PluginClashError, match="both acme-one and acme-two"):
            find(registry, url)
    with pytest.raises(PluginClashError, match=r"'acme' is declared by both acme-one and acme-two"):
        registry.get("acme")
    assert name_at(registry, "https://good.example.org/") == "good"


def test_a_distribution_that_declares_a_name_twice_is_named(distribution: Distribution) -> None:
    code = source("acme", "https://one.example.org")
    code = code.replace(
        "return [", 'return [Archive(name="acme", title="", domains=(Domain("https://two.example.org"),), flows=()), '
    )
    distribution("acme-twice", code)
    registry = Registry()
    for url in ("https://one.example.org/", "https://two.example.org/"):
        with pytest.raises(PluginClashError, match="twice by acme-twice"):
            find(registry, url)


def archive(name: str, *domains: str | Domain) -> Archive:
    made = tuple(domain if isinstance(domain, Domain) else Domain(domain) for domain in domains)
    return Archive(name=name, title=name, domains=made, flows=())


def outcome(registry: Registry, url: str) -> str:
    try:
        match = find(registry, url)
    except PluginClashError as error:
        return str(error)
    return f"{match.archive.name} {match.domain}" if match else "nobody"


SHARED = "https://shared.example.org"
CLAIMS = [
    archive("one", SHARED, "https://one.example.org"),
    archive("two", Domain(SHARED, anonymous=("public",)), f"{SHARED}/deep/er"),
    archive("three", SHARED, f"{SHARED}/deep"),
    archive("one", "https://again.example.org"),
]
LOOKED_UP = [
    *(f"{SHARED}{path}" for path in ("/", "/public", "/deep", "/deep/er/x", "/deeper")),
    *("https://one.example.org/", "https://again.example.org/", "https://elsewhere.example.org/"),
]


def test_the_answer_does_not_depend_on_the_order_of_registration(monkeypatch: pytest.MonkeyPatch) -> None:
    results = set()
    for order in itertools.permutations(enumerate(CLAIMS)):
        registry = Registry([])
        registry._load()
        for number, claim in order:
            registry._take(vo_auth.registry.Plugin(f"p{number}", f"dist-{number}", "1"), claim)
        results.add(tuple(outcome(registry, url) for url in LOOKED_UP))
    (result,) = results
    assert result[0].endswith("claimed by both dist-0 and dist-3: uninstall one of them")
    assert "claimed" in result[1]  # not left to the anonymous because of one claimant alone
    assert result[2:4] == (f"three {SHARED}/deep", f"two {SHARED}/deep/er")
    assert "claimed by both dist-0 and dist-3" in result[5]
    assert result[7] == "nobody"


# ---------------------------------------------------------------- the longest domain


def test_the_longest_domain_wins_in_every_reading() -> None:
    registry = Registry(
        [archive("whole", SHARED), archive("tap", f"{SHARED}/tap"), archive("deep", f"{SHARED}/tap/a/b")]
    )
    for path, name in {
        "/": "whole",
        "/tapestry": "whole",
        "/tap": "tap",
        "/tap/a": "tap",
        "/tap/a/b/c": "deep",
        "/tap/a/c": "tap",
        "/tap/a%2fb": "tap",
        "/tap/a//b": "tap",
        "/tap/%2e%2e/x": "whole",
        "/%2525252525252525252e": "",
    }.items():
        assert name_at(registry, f"{SHARED}{path}") == name, path


def test_an_origin_is_scheme_host_and_port() -> None:
    registry = Registry([archive("a", SHARED), archive("b", f"{SHARED}:8443"), archive("c", "http://127.0.0.1:8080")])
    assert name_at(registry, f"{SHARED}:443/") == "a"
    assert name_at(registry, f"{SHARED}:8443/") == "b"
    assert name_at(registry, "http://shared.example.org/") == ""
    assert name_at(registry, "http://127.0.0.1:8080/") == "c"
    assert name_at(registry, "http://127.0.0.1:8081/") == ""


def steps_of(action: Callable[[], Any]) -> int:
    """Return how many instructions an action takes: loops count, the speed of the machine does not."""
    count = 0

    def trace(frame: Any, event: str, argument: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("form", ["https://a{}.example.org", "https://a0.example.org/path/p{}"])
@pytest.mark.parametrize("url", ["https://a0.example.org/path/p0/x", "https://nobody.example.org/"])
def test_ten_thousand_domains_cost_what_two_cost(form: str, url: str) -> None:
    few, many = (Registry([archive("few", *(form.format(n) for n in range(number)))]) for number in (2, 10_000))
    target = Target.from_url(url)
    assert (few.find(target) is None) == (many.find(target) is None)
    assert steps_of(lambda: many.find(target)) == steps_of(lambda: few.find(target))


def test_a_target_of_a_single_domain_costs_no_more_than_one_of_many() -> None:
    target = Target.from_url("https://a0.example.org/x")
    one, many = (
        Registry([archive("a", *(f"https://a{n}.example.org" for n in range(number)))]) for number in (1, 10_000)
    )
    one.find(target), many.find(target)
    assert steps_of(lambda: many.find(target)) == steps_of(lambda: one.find(target))


# ---------------------------------------------------------------- plugins that are not here

ESO = "https://archive.eso.org/tap_obs"


@pytest.mark.parametrize(
    "url", [ESO, "http://archive.eso.org/tap_obs", "https://dataportal.eso.org/x", "HTTPS://ARCHIVE.ESO.ORG:443"]
)
def test_an_archive_without_its_plugin_is_named_with_the_pip_line(url: str) -> None:
    with pytest.raises(PluginNotInstalledError, match="pip install vo-auth-eso"):
        vo_auth.AuthSession(url=url, registry=Registry([]))


def test_plain_http_belongs_to_the_same_archive_and_other_ports_do_not() -> None:
    registry = Registry([])
    assert registry.missing(Origin("http", "archive.eso.org", 80)) is registry.missing(Origin.from_url(ESO))
    assert registry.missing(Origin("http", "archive.eso.org", 8080)) is None
    assert registry.missing(Origin("https", "archive.eso.org", 444)) is None


def test_where_no_permit_is_required_there_is_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []

    def send(self: object, request: Any, **kwargs: object) -> Any:
        sent.append(request.url)
        raise ConnectionRefusedError

    monkeypatch.setattr("requests.adapters.HTTPAdapter.send", send)
    session = vo_auth.AuthSession(url=ESO, required=False, registry=Registry([]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                session.get(ESO)
    (warning,) = caught
    assert warning.category is AnonymousWarning
    assert "pip install vo-auth-eso" in str(warning.message)
    assert sent == [ESO, ESO]


def test_what_the_table_says_of_eso_is_what_its_plugin_declares() -> None:
    from vo_auth.published import PUBLISHED

    plugin = pytest.importorskip("vo_auth_eso")
    (published,) = [item for item in PUBLISHED if item.name == plugin.ESO.name]
    assert published.title == plugin.ESO.title
    assert {Origin.from_url(url) for url in published.origins} == {domain.origin for domain in plugin.ESO.domains}
    assert Registry().missing(Origin.from_url(ESO)) is None


def test_an_unknown_name_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        Registry([]).get("nobody")
