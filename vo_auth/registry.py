"""Which archive does a URL belong to: plugins loaded one by one, the longest domain wins, clashes are named."""

from __future__ import annotations

import functools
import logging
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import TYPE_CHECKING, Any

from .archive import Archive
from .configuration import read_configuration
from .domain import Domain, Origin, Target
from .errors import MissingDependencyError, PluginClashError, PluginWarning
from .published import PUBLISHED, Published
from .trace import trace_if_asked

if TYPE_CHECKING:
    from .credentials import CredentialSource
    from .sandbox import StandIn

__all__ = ["Match", "Plugin", "Registry", "default_registry"]

_GROUP = "vo_auth"
_LOG = logging.getLogger("vo_auth.registry")


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin that was loaded, or the reason why it was not.

    Parameters
    ----------
    name, distribution, version
        The entry point and where it comes from.
    problem
        What is wrong with it; empty when nothing is.
    """

    name: str
    distribution: str
    version: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """An archive's claim on a URL.

    Parameters
    ----------
    archive, domain
        The archive and the domain of it that covers the URL.
    distribution
        The distribution that brings it.
    rival
        Another distribution that claims the same; empty as it should be.
    """

    archive: Archive
    domain: Domain
    distribution: str
    rival: str = ""


@dataclass(slots=True)
class _Index:
    """Claims by origin, then by path: one look-up costs the same for one domain and for many."""

    claims: dict[Origin, dict[tuple[str, ...], Match]] = field(default_factory=dict)

    def add(self, match: Match) -> None:
        paths = self.claims.setdefault(match.domain.origin, {})
        other = paths.get(match.domain.segments)
        paths[match.domain.segments] = match if other is None else _joined(other, match)

    def find(self, target: Target) -> Match | None:
        paths = self.claims.get(target.origin)
        if paths is None:
            return None
        if len(paths) == 1:
            (match,) = paths.values()
            return match if match.domain.covers_path(target) else None
        best = min(
            (_longest(paths, reading) for reading in target.readings()),
            key=lambda found: len(found.domain.segments) if found else -1,
            default=None,
        )
        return best if best is not None and best.domain.covers_path(target) else None


def _joined(one: Match, other: Match) -> Match:
    """Return what two claims on one domain come to: the same in whichever order they are made."""
    if not one.rival and one.distribution == other.distribution and one.archive == other.archive:
        return one
    names = (one.distribution, one.rival or one.distribution, other.distribution, other.rival or other.distribution)
    # contested as a whole: what only one of the claimants leaves to the anonymous is not left to them
    return replace(one, domain=replace(one.domain, anonymous=()), distribution=min(names), rival=max(names))


def _longest(paths: dict[tuple[str, ...], Match], reading: tuple[str, ...]) -> Match | None:
    for depth in range(len(reading), -1, -1):
        if match := paths.get(reading[:depth]):
            return match
    return None


class Registry:
    """Archives by URL and by name.

    Parameters
    ----------
    archives
        These archives alone, without any plugin; None: whatever the installed plugins declare, loaded at first use.
    """

    def __init__(self, archives: Iterable[Archive] | None = None) -> None:
        self._given = None if archives is None else tuple(archives)
        self._guard = threading.RLock()
        self._loading = self._loaded = False
        self._index = _Index()
        self._archives: dict[str, tuple[Archive, Plugin]] = {}
        self._plugins: list[Plugin] = []
        self._contested: dict[str, tuple[str, str]] = {}
        self._hooks: dict[str, list[tuple[Plugin, Callable[[], Iterable[Any]]]]] = {}
        self._problems: list[str] = []
        self._reported: set[str] = set()

    def find(self, target: Target) -> Match | None:
        """Return the archive that a request belongs to, or None.

        Parameters
        ----------
        target
            Where the request really goes.

        Returns
        -------
        Match or None
            The longest domain that covers it in every reading of its path.

        Raises
        ------
        PluginClashError
            When two distributions claim that domain.
        """
        self._load()
        match = self._index.find(target)
        if match is not None and match.rival:
            raise PluginClashError(f"{match.domain} is claimed {_clash(match.distribution, match.rival)}")
        return match

    def get(self, name: str) -> Archive:
        """Return an archive by its name.

        Raises
        ------
        KeyError
            When no plugin declares it.
        PluginClashError
            When two distributions declare it.
        """
        self._load()
        if name in self._contested:
            raise PluginClashError(f"The archive {name!r} is declared {_clash(*self._contested[name])}")
        return self._archives[name][0]

    def archives(self) -> list[tuple[Archive, Plugin]]:
        """Return all archives with the plugins that declare them, by name."""
        self._load()
        return [self._archives[name] for name in sorted(self._archives)]

    def plugins(self) -> list[Plugin]:
        """Return all plugins, the broken ones with their problem, by name."""
        self._load()
        return list(self._plugins)

    def missing(self, origin: Origin) -> Published | None:
        """Return the archive of this origin whose plugin is published but not here."""
        self._load()
        found = _published().get(origin.secured() or origin)  # many write it with http; the archive is the same
        return found if found is not None and found.name not in self._archives else None

    def credential_sources(self) -> list[CredentialSource]:
        """Return the credential sources of all plugins."""
        return list(self._call("vo_auth_credential_sources"))

    def standins(self) -> list[StandIn]:
        """Return the stand-ins of all plugins."""
        return list(self._call("vo_auth_standins"))

    # ---------------------------------------------------------------- loading

    def _load(self) -> None:
        if self._loaded:
            return
        with self._guard:
            if self._loaded:
                return
            if self._loading:
                raise RuntimeError("a plugin must not ask vo_auth about archives while plugins are being loaded")
            self._loading = True
            try:
                self._load_plugins() if self._given is None else self._take_given(self._given)
                self._loaded = True
            finally:
                self._loading = False
        # Out here: a plugin is reported once also where warnings are errors, and after everything else works.
        problems, self._problems = self._problems, []
        for problem in problems:
            _report(problem)

    def _take_given(self, archives: Iterable[Archive]) -> None:
        here = Plugin("given", "this program", "")
        for archive in archives:
            self._take(here, archive)

    def _load_plugins(self) -> None:
        try:
            import pluggy

            from . import hookspecs
        except ImportError:
            raise MissingDependencyError("Plugins need pluggy: pip install pluggy") from None
        configuration = read_configuration()
        for known in (self._plugins, self._hooks, self._problems):  # of an attempt that failed
            known.clear()
        manager = pluggy.PluginManager("vo_auth")
        manager.add_hookspecs(hookspecs)
        for entry in sorted(metadata.entry_points(group=_GROUP), key=lambda entry: (*_source(entry), entry.name)):
            plugin = Plugin(entry.name, *_source(entry))
            problem = self._register(manager, entry, plugin)
            if problem:
                self._problems.append(f"{_named(plugin)} is left out: {problem}")
            self._plugins.append(replace(plugin, problem=problem))
            _LOG.debug("%s: %s", _named(plugin), f"left out ({problem})" if problem else "loaded")
        found = [(plugin, configuration.applied(item)) for plugin, item in self._declared()]
        for plugin, archive in found:  # out here: what a faulty configuration breaks is not loaded by half
            self._take(plugin, archive)

    def _declared(self) -> Iterator[tuple[Plugin, Archive]]:
        """Return the archives of all plugins, but for those that want what only the user may allow."""
        for plugin, archive in self._asked("vo_auth_archives", self._problems.append):
            if any(domain.insecure for domain in archive.domains):
                self._problems.append(
                    f"The archive {archive.name!r} of {_named(plugin)} is left out: it wants permits on plain http, "
                    "which only the user's own configuration can allow"
                )
                continue
            yield plugin, archive

    def _register(self, manager: Any, entry: metadata.EntryPoint, plugin: Plugin) -> str:
        """Load one plugin and note its hooks; return what is wrong with it."""
        try:
            module = entry.load()
            manager.register(module, name=f"{plugin.distribution}:{plugin.name}")
        except (Exception, SystemExit) as error:
            return f"{type(error).__name__}: {error}"
        hooks: dict[str, list[Callable[[], Iterable[Any]]]] = {}
        for caller in manager.get_hookcallers(module) or ():
            if not caller.has_spec():
                return f"it has a hook {caller.name!r}, which does not exist (misspelt?)"
            for implementation in caller.get_hookimpls():  # each alone: one that raises would take all answers along
                if implementation.plugin is module:
                    hooks.setdefault(caller.name, []).append(implementation.function)
        for name, functions in hooks.items():
            self._hooks.setdefault(name, []).extend((plugin, function) for function in functions)
        return ""

    def _call(self, hook: str) -> Iterator[Any]:
        self._load()
        for _, item in self._asked(hook, self._report_once):
            yield item

    def _report_once(self, problem: str) -> None:
        with self._guard:
            if problem in self._reported:
                return
            self._reported.add(problem)
        _report(problem)

    def _asked(self, hook: str, report: Callable[[str], None]) -> Iterator[tuple[Plugin, Any]]:
        for plugin, function in self._hooks.get(hook, ()):
            try:
                items = list(function())
                for item in items:
                    if not _FITS[hook](item):
                        raise TypeError(f"it gave a {type(item).__name__}")  # noqa: TRY301 - one report for all
            except Exception as error:
                report(f"{_named(plugin)} failed in {hook}: {type(error).__name__}: {error}")
                continue
            for item in items:
                yield plugin, item

    def _take(self, plugin: Plugin, archive: Archive) -> None:
        known = self._archives.get(archive.name)
        for domain in archive.domains:
            self._index.add(Match(archive, domain, plugin.distribution))
        if known is None:
            self._archives[archive.name] = (archive, plugin)
        elif known != (archive, plugin):  # one name, two archives: contest all that either claims
            rival, owner = known
            for domain in rival.domains:
                self._index.add(Match(archive, domain, plugin.distribution))
            for domain in archive.domains:
                self._index.add(Match(rival, domain, owner.distribution))
            names = (*self._contested.get(archive.name, ()), plugin.distribution, owner.distribution)
            self._contested[archive.name] = (min(names), max(names))


def _has(*names: str) -> Callable[[object], bool]:
    return lambda item: all(hasattr(item, name) for name in names)


_FITS: dict[str, Callable[[object], bool]] = {
    "vo_auth_archives": lambda item: isinstance(item, Archive),
    "vo_auth_credential_sources": _has("name", "rank", "find"),
    "vo_auth_standins": _has("archive", "hosts", "app"),
}


def _named(plugin: Plugin) -> str:
    return f"The plugin {plugin.name!r} of {plugin.distribution} {plugin.version}".rstrip()


def _clash(first: str, second: str) -> str:
    if first == second:
        return f"twice by {first}: report it to its authors"
    return f"by both {first} and {second}: uninstall one of them"


def _report(problem: str) -> None:
    warnings.warn(problem, PluginWarning, stacklevel=5)


def _source(entry: metadata.EntryPoint) -> tuple[str, str]:
    with suppress(Exception):  # a distribution without METADATA: no name, or an error, as the Python version has it
        if entry.dist is not None and entry.dist.name:
            return entry.dist.name, entry.dist.version or ""
    return "an unknown distribution", ""


@functools.cache
def _published() -> dict[Origin, Published]:
    return {Origin.from_url(origin): item for item in PUBLISHED for origin in item.origins}


@functools.cache
def default_registry() -> Registry:
    """Return the registry of the installed plugins, which all sessions of this process share."""
    trace_if_asked()  # whatever is done with vo_auth begins here
    return Registry()
