"""The sources in their order, and the choice among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..archive import Archive, Flow
from ..errors import CredentialsNotFoundError, UnusableCredentialsError, VoAuthError
from ..secret import Secret
from .base import Attempt, CredentialSource, Found, Wanted

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
        unless: frozenset[tuple[str, str]] = frozenset(),
    ) -> Chosen:
        """Return the credentials to use.

        Parameters
        ----------
        archive
            For which archive.
        account, is_default
            For which account, and whether it is the archive's default one.
        username
            The account's user name, where it is known.
        interactive
            Whether a person may be asked: True, False, or None to look for a terminal or notebook.
        ask_username
            Whether a person may also name another user than the one that is known.
        unless
            Names of sources and flows: what a source has for that flow is passed over.

        Returns
        -------
        Chosen
            Flow and values.

        Raises
        ------
        CredentialsNotFoundError
            When no source has what a flow needs; the text lists each one.
        UnusableCredentialsError
            When a source has something that cannot be used, or failed and no other one has what is needed.
        PromptCancelledError
            When the person who was asked declined.
        """
        attempts: list[Attempt] = []
        broken = ""
        for source in self.sources:
            outcome = ""
            flows = [flow for flow in archive.flows if (source.name, flow.name) not in unless and _suits(flow, source)]
            for flow in flows:
                wanted = Wanted(
                    archive=archive,
                    flow=flow,
                    account=account,
                    is_default=is_default,
                    username=username,
                    interactive=interactive,
                    ask_username=ask_username,
                )
                try:
                    found = source.find(wanted)
                except VoAuthError:
                    raise
                except Exception as error:  # a plugin's fault must not hide what the other sources have
                    outcome = broken = f"failed with {type(error).__name__}: report it to the plugin's authors"
                    continue
                if found is None:
                    continue
                values = _completed(flow, found, username)
                missing = [name for name in flow.asks if not values.get(name)]
                if not missing:
                    return Chosen(
                        flow=flow,
                        values=values,
                        source=source.name,
                        origin=found.origin,
                        attempts=tuple(attempts),
                    )
                username = values["username"].reveal() if values.get("username") else username
                outcome = outcome or f"{found.origin}: no {' or '.join(missing)} with it"
            had_something = any((source.name, flow.name) in unless for flow in archive.flows)  # and was passed over
            if not outcome and not had_something:
                outcome = _reason(source, archive)
            if outcome:
                attempts.append(Attempt(source.name, outcome))
        text = _nothing(archive, account, attempts)
        if broken:
            raise UnusableCredentialsError(text)
        raise CredentialsNotFoundError(text, attempts=tuple((item.source, item.outcome) for item in attempts))


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


def _nothing(archive: Archive, account: str, attempts: list[Attempt]) -> str:
    whose = f" (account {account})" if account else ""
    first = (
        f"No credentials for {archive.title}{whose}: run `vo-auth login {archive.name}` in a terminal, or set "
        + _suggestion(archive)
    )
    other = [archive.without_password] if archive.without_password else []
    lines = [first + ".", *other, "Looked at:", *(f"  {item.source}: {item.outcome}" for item in attempts)]
    return "\n".join(lines)


def _suggestion(archive: Archive) -> str:
    asks = archive.flows[0].asks if archive.flows else ()
    return " and ".join(f"{archive.variable_prefix}{name.upper()}" for name in asks) or "one of its variables"
