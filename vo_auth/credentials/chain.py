"""The sources in their order, and the choice among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..archive import Archive, Flow
from ..errors import ConfigurationError, CredentialsNotFoundError, UnusableCredentialsError, VoAuthError
from ..secret import Secret
from .base import Attempt, CredentialSource, Found, Passed, Wanted
from .modes import checked_names, mode_of

__all__ = ["Chosen", "CredentialChain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The credentials that are used, and for which flow.

    Parameters
    ----------
    flow
        The flow they fit.
    values
        All that it asks for.
    source
        The name of the source that completed them.
    origin
        Where they were found, for people.
    attempts
        Every source that was asked before, with what came of it.
    """

    flow: Flow
    values: Mapping[str, Secret]
    source: str
    origin: str
    attempts: tuple[Attempt, ...] = ()

    @property
    def is_attended(self) -> bool:
        """Whether the login itself needs a person."""
        return bool(getattr(self.flow, "attended", False))

    @property
    def username(self) -> str:
        """The user's name, where it is among them."""
        name = self.values.get("username")
        return name.reveal() if name else ""


class CredentialChain:
    """Ask the sources one after the other; the first that completes a flow's needs is taken.

    Of an incomplete set only the user name is carried on (a password is never joined with another source's name).

    Parameters
    ----------
    sources
        In any order; their ranks and then names decide.
    """

    def __init__(self, sources: Iterable[CredentialSource]) -> None:
        self.sources = tuple(sorted(sources, key=lambda source: (source.rank, source.name)))

    def choose(
        self,
        archive: Archive,
        *,
        account: str = "",
        username: str = "",
        is_default: bool = True,
        interactive: bool | None = None,
        ask_username: bool = True,
        unless: Mapping[tuple[str, str], str] | None = None,
    ) -> Chosen:
        """Return the credentials to use.

        Parameters
        ----------
        archive
            For which archive; it also has what the user says of the sources.
        account, is_default
            For which account, and whether it is the archive's default one.
        username
            The account's user name, where it is known.
        interactive
            Whether a person may be asked: True, False, or None to look for a terminal or notebook.
        ask_username
            Whether a person may also name another user than the one that is known.
        unless
            By names of source and flow: why what that source has for that flow is passed over.

        Returns
        -------
        Chosen
            Flow and values.

        Raises
        ------
        CredentialsNotFoundError
            When no source has what a flow needs, or one that is required has not; the text lists each one.
        UnusableCredentialsError
            When a source has something that cannot be used, or failed and no other one has what is needed.
        PromptCancelledError
            When the person who was asked declined.
        ConfigurationError
            When the configuration names a source that does not exist.
        """
        search = _Search(
            archive,
            unless or {},
            account=account,
            is_default=is_default,
            username=username,
            interactive=interactive,
            ask_username=ask_username,
        )
        modes = self._modes(archive)
        required = [name for name, mode in modes.items() if mode == "require"]
        for source in self.sources:
            if reason := _unasked(source, modes, required, archive):
                search.note(source, reason)
            elif chosen := search.ask(source):
                return chosen
            elif source.name in required:
                raise search.failure(f"the source {source.name!r} is required, and has none")
        absent = [name for name in required if all(name != source.name for source in self.sources)]
        raise search.failure(f"the source {absent[0]!r} is required, and is not there" if absent else "")

    def _modes(self, archive: Archive) -> dict[str, str]:
        """Return what to do with each source; what was given as an argument stands above all that is said of them."""
        if any(source.name == "arguments" for source in self.sources):
            return {}
        try:
            checked_names(archive.sources, [source.name for source in self.sources])
        except ValueError as error:
            raise ConfigurationError(f"The settings of sources for {archive.title}: {error}") from None
        return {**archive.sources, **{source.name: mode_of(source, archive) for source in self.sources}}


class _Search:
    """One way through the sources.

    Parameters
    ----------
    archive
        For which archive.
    unless
        What is passed over, and why.
    **options
        Of what is wanted, whichever the flow.
    """

    def __init__(self, archive: Archive, unless: Mapping[tuple[str, str], str], **options: Any) -> None:
        self._archive = archive
        self._unless = unless
        self._options = options
        self._attempts: list[Attempt] = []
        self._broken = False

    def note(self, source: CredentialSource, outcome: str) -> None:
        """Note what came of a source."""
        if outcome:
            self._attempts.append(Attempt(source.name, outcome))

    def ask(self, source: CredentialSource) -> Chosen | None:
        """Ask one source for each of the flows, the preferred one first."""
        outcomes: list[str] = []
        for flow in self._archive.flows:
            if not _suits(flow, source):
                continue
            if passed_over := self._unless.get((source.name, flow.name)):
                outcomes.append(passed_over)
                continue
            wanted = Wanted(archive=self._archive, flow=flow, **self._options)
            found = self._found(source, wanted, outcomes)
            if isinstance(found, Passed):
                outcomes.append(found.reason)
            if not isinstance(found, Found):
                continue
            values = _completed(flow, found, wanted.username)
            missing = [name for name in flow.asks if not values.get(name)]
            if not missing:
                return Chosen(
                    flow=flow,
                    values=values,
                    source=source.name,
                    origin=found.origin,
                    attempts=tuple(self._attempts),
                )
            self._carry_on(wanted, values)
            outcomes.append(f"{found.origin}: no {' or '.join(missing)} with it")
        self.note(source, outcomes[0] if outcomes else _reason(source, self._archive))
        return None

    def failure(self, required: str) -> VoAuthError:
        """Return the error for credentials that are nowhere; its text lists what was looked at."""
        attempts = tuple((item.source, item.outcome) for item in self._attempts)
        text = _nothing(self._archive, self._options["account"], self._attempts, required)
        return UnusableCredentialsError(text) if self._broken else CredentialsNotFoundError(text, attempts=attempts)

    def _found(self, source: CredentialSource, wanted: Wanted, outcomes: list[str]) -> Found | Passed | None:
        try:
            return source.find(wanted)
        except VoAuthError:
            raise
        except Exception as error:  # a plugin's fault must not hide what the other sources have
            self._broken = True
            outcomes.insert(0, f"failed with {type(error).__name__}: report it to the plugin's authors")
            return None

    def _carry_on(self, wanted: Wanted, values: Mapping[str, Secret]) -> None:
        """Remember the user's name for the sources that follow, where it is that of the account."""
        name = values["username"].reveal() if values.get("username") else ""
        if name and wanted.serves(name):
            self._options["username"] = name


def _unasked(source: CredentialSource, modes: Mapping[str, str], required: list[str], archive: Archive) -> str:
    """Return why a source is not asked at all; empty when it is."""
    if required and source.name not in required:
        return f"not asked: required is {' and '.join(required)}"
    if modes.get(source.name) != "never":
        return ""
    return (
        "not asked: set to 'never'" if source.name in archive.sources else "not asked: only where you want it (sources)"
    )


def _suits(flow: Flow, source: CredentialSource) -> bool:
    """Say whether a flow can begin with a source: one that needs a person begins where a person is asked."""
    return not getattr(flow, "attended", False) or getattr(source, "attends", False)


def _completed(flow: Flow, found: Found, username: str) -> dict[str, Secret]:
    values = dict(found.values)
    if "username" in flow.asks and not values.get("username") and username:
        values["username"] = Secret(username)
    return values


def _reason(source: CredentialSource, archive: Archive) -> str:
    looked_at = getattr(source, "looked_at", None)
    return str(looked_at(archive)) if looked_at else "nothing"


def _nothing(archive: Archive, account: str, attempts: list[Attempt], required: str) -> str:
    whose = f" (account {account})" if account else ""
    remedy = f"{required}: put them there, or change `sources`" if required else _remedy(archive)
    first = f"No credentials for {archive.title}{whose}: {remedy}."
    other = [archive.without_password] if archive.without_password else []
    lines = [first, *other, "Looked at:", *(f"  {item.source}: {item.outcome}" for item in attempts)]
    return "\n".join(lines)


def _remedy(archive: Archive) -> str:
    asks = next((flow.asks for flow in (*(flow for flow in archive.flows if flow.unattended), *archive.flows)), ())
    names = " and ".join(f"{archive.variable_prefix}{name.upper()}" for name in asks) or "one of its variables"
    return f"run `vo-auth login {archive.name}` in a terminal, or set {names}"
