"""Which archive does a URL belong to: plugins loaded one by one, the longest domain wins, clashes are named."""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any

from .archive import Archive
from .domain import Domain, Origin, Target
from .errors import MissingDependencyError, PluginClashError, PluginWarning
from .published import PUBLISHED, Published

if TYPE_CHECKING:
    from .credentials import CredentialSource
    from .sandbox import StandIn

__all__ = ["Match", "Plugin", "Registry", "default_registry"]

_GROUP = "vo_auth"


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
        if other is None:
            paths[match.domain.segments] = match
        elif other.distribution != match.distribution or other.archive.name != match.archive.name:
            first, second = sorted((_claimant(other), _claimant(match)))
            paths[match.domain.segments] = Match(other.archive, other.domain, first, second)

    def find(self, target: Target) -> Match | None:
        paths = self.claims.get(target.origin)
        if paths is None:
            return None
        if len(paths) == 1:
            (match,) = paths.values()
            return match if match.domain.covers_path(target) else None
        readings = target.readings()
        best = min(
            (_longest(paths, reading) for reading in readings),
            key=lambda found: len(found.domain.segments) if found else -1,
        )
        return best if best is not None and best.domain.covers_path(target) else None


def _claimant(match: Match) -> str:
    return match.distribution if not match.rival else match.rival


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
        self._guard = threading.Lock()
        self._loaded = False
        self._index = _Index()
        self._archives: dict[str, tuple[Archive, Plugin]] = {}
        self._plugins: list[Plugin] = []
        self._hooks: dict[str, list[tuple[Plugin, Callable[[], Iterable[Any]]]]] = {}

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
            raise PluginClashError(
                f"{match.domain} is claimed by both {match.distribution} and {match.rival}: uninstall one of them"
            )
        return match

    def get(self, name: str) -> Archive:
        """Return an archive by its name.

        Raises
        ------
        KeyError
            When no plugin declares it.
        """
        self._load()
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
        found = _published().get(origin)
        return found if found is not None and found.name not in self._archives else None

    def credential_sources(self) -> list[CredentialSource]:
        """Return the credential sources of all plugins."""
        return [source for _, source in self._call("vo_auth_credential_sources")]

    def standins(self) -> list[StandIn]:
        """Return the stand-ins of all plugins."""
        return [standin for _, standin in self._call("vo_auth_standins")]

    # ---------------------------------------------------------------- loading

    def _load(self) -> None:
        if self._loaded:
            return
        with self._guard:
            if self._loaded:
                return
            if self._given is not None:
                here = Plugin("given", "this program", "")
                claims = [(here, archive) for archive in self._given]
            else:
                self._load_plugins()
                claims = list(self._asked("vo_auth_archives"))
            self._take(claims)
            self._loaded = True

    def _load_plugins(self) -> None:
        try:
            import pluggy

            from . import hookspecs
        except ImportError:
            raise MissingDependencyError("Plugins need pluggy: pip install pluggy") from None
        manager = pluggy.PluginManager("vo_auth")
        manager.add_hookspecs(hookspecs)
        entries = sorted(metadata.entry_points(group=_GROUP), key=lambda entry: (_source(entry)[0], entry.name))
        for entry in entries:
            plugin = Plugin(entry.name, *_source(entry))
            problem = self._register(manager, entry, plugin)
            if problem:
                warnings.warn(
                    f"The plugin {plugin.name!r} of {plugin.distribution} {plugin.version} is left out: {problem}",
                    PluginWarning,
                    stacklevel=2,
                )
            self._plugins.append(Plugin(plugin.name, plugin.distribution, plugin.version, problem))

    def _register(self, manager: Any, entry: metadata.EntryPoint, plugin: Plugin) -> str:
        """Load one plugin and note its hooks; return what is wrong with it."""
        try:
            module = entry.load()
            manager.register(module, name=f"{plugin.distribution}:{plugin.name}")
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        strange = ""
        for caller in manager.get_hookcallers(module) or ():
            if not caller.has_spec():
                strange = f"it has a hook {caller.name!r}, which does not exist (misspelt?)"
                continue
            for implementation in caller.get_hookimpls():  # each alone: one that raises would take all answers along
                if implementation.plugin is module:
                    self._hooks.setdefault(caller.name, []).append((plugin, implementation.function))
        if strange:
            for name, hooks in self._hooks.items():
                self._hooks[name] = [(owner, hook) for owner, hook in hooks if owner != plugin]
        return strange

    def _call(self, hook: str) -> Iterator[tuple[Plugin, Any]]:
        self._load()
        return self._asked(hook)

    def _asked(self, hook: str) -> Iterator[tuple[Plugin, Any]]:
        for plugin, function in self._hooks.get(hook, ()):
            try:
                items = list(function())
            except Exception as error:
                warnings.warn(
                    f"The plugin {plugin.name!r} of {plugin.distribution} {plugin.version} failed in {hook}: "
                    f"{type(error).__name__}: {error}",
                    PluginWarning,
                    stacklevel=3,
                )
                continue
            for item in items:
                yield plugin, item

    def _take(self, claims: Iterable[tuple[Plugin, Archive]]) -> None:
        for plugin, archive in claims:
            rival = self._archives.get(archive.name)
            for domain in archive.domains:
                self._index.add(Match(archive, domain, plugin.distribution))
            if rival is not None and rival[1] != plugin:  # one name, two archives: contest all that either claims
                for domain in rival[0].domains:
                    self._index.add(Match(archive, domain, plugin.distribution))
                for domain in archive.domains:
                    self._index.add(Match(rival[0], domain, rival[1].distribution))
            else:
                self._archives[archive.name] = (archive, plugin)


def _source(entry: metadata.EntryPoint) -> tuple[str, str]:
    return (entry.dist.name, entry.dist.version) if entry.dist is not None else ("an unknown distribution", "")


@functools.cache
def _published() -> dict[Origin, Published]:
    return {Origin.from_url(origin): item for item in PUBLISHED for origin in item.origins}


@functools.cache
def default_registry() -> Registry:
    """Return the registry of the installed plugins, which all sessions of this process share."""
    return Registry()
