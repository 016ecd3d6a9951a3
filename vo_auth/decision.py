"""The whole decision about a URL before a request: archive, domain, account, sources, flow, and what would be sent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .configuration import read_configuration
from .credentials import is_interactive
from .domain import Domain, Target
from .edge import is_anonymous
from .errors import VoAuthError
from .masking import foreseen_form, masked
from .reach import reach_of, resource_of
from .registry import Match, Registry
from .wire import bare_url, secure_url

if TYPE_CHECKING:
    from .archive import Archive
    from .wallet import Held, Wallet, Want

__all__ = ["AskedSource", "Decision", "OtherDomain", "decide"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedSource:
    """A source of credentials, and why it would or would not be used.

    Parameters
    ----------
    name
        The source.
    outcome
        What came of it, for people.
    is_used
        Whether a login would take its credentials.
    """

    name: str
    outcome: str
    is_used: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherDomain:
    """A domain that does not decide about a URL.

    Parameters
    ----------
    domain, archive
        The domain, and the archive whose it is.
    why
        Why it does not.
    """

    domain: str
    archive: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What would happen to a request, and why; nothing was sent to find out.

    Parameters
    ----------
    url
        What would be asked, without userinfo, query and fragment.
    archive, title
        Whose request it is; empty where no archive claims it.
    plugin, version
        The distribution that declares the archive.
    domain
        The domain that covers the URL.
    others
        Domains near by that do not decide.
    elsewhere
        How many further domains there are, at other hosts.
    configuration
        What the user's own configuration says of this archive; empty where it says nothing.
    account
        The account's label, else its user name.
    permit
        The kind of the permit; ``new`` where a login would come first, empty for none.
    why
        Where the permit comes from, or why there is none.
    held
        The permit that is held; empty where none is.
    sources
        The sources of credentials, in the order in which a login asks them.
    flow
        The flow of such a login.
    sends
        What the request would carry, masked.
    audience
        What the permit and the domain say of whom it is for.
    transport
        https, and what is done about plain http.
    """

    url: str
    archive: str = ""
    title: str = ""
    plugin: str = ""
    version: str = ""
    domain: str = ""
    others: tuple[OtherDomain, ...] = ()
    elsewhere: int = 0
    configuration: str = ""
    account: str = ""
    permit: str = ""
    why: str = ""
    held: str = ""
    sources: tuple[AskedSource, ...] = field(default=())
    flow: str = ""
    sends: tuple[str, ...] = ()
    audience: str = ""
    transport: str = ""

    def __str__(self) -> str:
        lines = [self.url]
        for name, values in self._parts():
            for number, value in enumerate(values):
                lines.append(f"  {name if number == 0 else '':<14}{value}")
        return "\n".join(lines)

    def _parts(self) -> Iterator[tuple[str, list[str]]]:
        yield "would send", list(self.sends) or [f"no permit: {self.why}"]
        if self.archive and self.plugin:
            yield "archive", [f"{self.archive} ({self.title}), by {self.plugin} {self.version}".rstrip()]
        yield "domain", [self.domain or "none"]
        others = [f"{other.domain} of {other.archive}: {other.why}" for other in self.others]
        if self.elsewhere:
            others.append(f"{self.elsewhere} more, at other hosts")
        yield "other domains", others
        if not self.domain:
            return
        yield "configured", [self.configuration or "nothing"]
        yield "account", [self.account or "not named"]
        yield "held", [self.held or "no permit"]
        yield "sources", [f"{one.name}: {'used: ' * one.is_used}{one.outcome}" for one in self.sources]
        yield "flow", [self.flow or "none"]
        yield "audience", [self.audience]
        yield "transport", [self.transport]


def decide(url: str, *, account: str | None, registry: Registry) -> Decision:
    """Return the decision about a URL; nothing is sent, and nobody is asked.

    Parameters
    ----------
    url
        The URL.
    account
        The account's label; None for the archive's default account.
    registry
        Which archive a URL belongs to.

    Returns
    -------
    Decision
        The same on every run, as long as nothing changes.

    Raises
    ------
    PluginClashError
        When two plugins claim the URL.
    requests.exceptions.InvalidURL, requests.exceptions.MissingSchema
        When it is no URL.
    """
    target = Target.from_url(url)
    match, plain, secure = registry.find(target), False, target.secured()
    if match is None and secure is not None:
        match, plain = registry.find(secure), True
    if match is None:
        return _unclaimed(url, target, registry)
    known = _near(registry, secure if plain and secure else target, match)
    version = next((plugin.version for one, plugin in registry.archives() if one.name == match.archive.name), "")
    decision = Decision(
        url=bare_url(url),
        archive=match.archive.name,
        title=match.archive.title,
        plugin=match.distribution,
        version=version,
        domain=_described(match.domain),
        others=known[0],
        elsewhere=known[1],
        configuration=_configured(match.archive),
        transport=_transport(match.domain, plain=plain),
        audience="not looked at: the archive's permits name none",
    )
    if is_anonymous():
        return replace(decision, why="vo_auth.anonymous() is in force")
    if plain and not match.domain.upgrade_http:
        return replace(decision, why="it is plain http, which anyone on the way reads")
    goes_to = secure_url(url) if plain else url
    return _foreseen(replace(decision, url=bare_url(goes_to)), goes_to, match, account)


# -------------------------------------------------------------------- whose URL it is


def _unclaimed(url: str, target: Target, registry: Registry) -> Decision:
    others, elsewhere = _near(registry, target, None)
    missing = registry.missing((target.secured() or target).origin)
    why = f"its plugin is not installed: pip install {missing.distribution}" if missing else "no archive claims it"
    name = missing.name if missing else ""
    return Decision(url=bare_url(url), archive=name, why=why, others=others, elsewhere=elsewhere)


def _near(registry: Registry, target: Target, match: Match | None) -> tuple[tuple[OtherDomain, ...], int]:
    """Return the domains that one might have expected to decide, and how many others there are."""
    near, elsewhere = [], 0
    for archive, _ in registry.archives():
        for domain in archive.domains:
            if match is not None and domain == match.domain and archive.name == match.archive.name:
                continue
            why = _why_not(domain, target)
            if why:
                near.append(OtherDomain(domain=str(domain), archive=archive.name, why=why))
            else:
                elsewhere += 1
    return tuple(sorted(near, key=lambda other: (other.archive, other.domain))), elsewhere


def _why_not(domain: Domain, target: Target) -> str:
    """Return why a domain does not decide; empty where nobody would expect it to."""
    here, there = domain.origin.host, target.origin.host
    if here != there:
        return "another host" if here in there or there in here else ""
    if domain.origin != target.origin:
        return f"another origin ({domain.origin.scheme}, port {domain.origin.port})"
    if domain.covers_path(target):
        return "a longer domain covers the URL"
    if any(reading[: len(domain.segments)] == domain.segments for reading in target.readings()):
        return "a part of it that never gets a permit" if domain.anonymous else "the path can be read in several ways"
    return "the path is not below it"


def _described(domain: Domain) -> str:
    never = f", never below {', '.join(domain.anonymous)}" if domain.anonymous else ""
    return f"{domain}{never}{f', realm {domain.realm}' if domain.realm else ''}"


def _transport(domain: Domain, *, plain: bool) -> str:
    if domain.insecure:
        return "plain http, because your configuration names this origin in insecure_origins: readable on the way"
    if plain:
        return "http is asked for, https is requested" if domain.upgrade_http else "plain http: no permit goes there"
    return "https" if domain.origin.scheme == "https" else "http on this machine itself"


def _configured(archive: Archive) -> str:
    configuration = read_configuration()
    said = [*(f"sources.{name}" for name in configuration.sources), *configuration.archives.get(archive.name, {})]
    return f"{', '.join(said)} in {shown_path(configuration.path)}" if said and configuration.path else ""


def shown_path(path: Path) -> str:
    """Return a path as a person writes it, without the name of the home folder."""
    try:
        return f"~/{path.relative_to(Path.home()).as_posix()}"
    except (ValueError, RuntimeError):
        return str(path)


# -------------------------------------------------------------------- what it would get


def _foreseen(decision: Decision, url: str, match: Match, label: str | None) -> Decision:
    from .wallet import Want, default_wallet

    wallet, claim = default_wallet(), f"{match.domain} of {match.distribution}"
    try:
        account = wallet.account(match.archive, label)
    except VoAuthError as error:
        return replace(decision, why=f"{claim}; {_first_line(error)}")
    want = Want(archive=match.archive, account=account, realm=match.domain.realm, interactive=False)
    held = wallet.usable(want)
    decision = replace(decision, account=account.label)
    if held is not None and not reach_of(match.archive, held.grant).covers(match.domain, Target.from_url(url)):
        want = replace(want, resource=resource_of(match.domain))
        decision = replace(decision, audience=f"the permit at hand excludes this service: one for {want.resource}")
        held = wallet.usable(want)
    elif match.archive.by_audience:
        names = ", ".join(match.domain.audience) or str(match.domain)
        decision = replace(decision, audience=f"a token must be for {names}, or name nobody")
    decision = _with_login(decision, wallet, want, claim)
    if held is None:
        return decision
    state = wallet.state(want.archive, held).value
    decision = replace(decision, why=f"{claim}; held, {state}, from {held.origin}")
    return _with_held(decision, held, state=state, kept=wallet.kept(held), sends=masked(held.grant.permit, url))


def _with_held(decision: Decision, held: Held, *, state: str, kept: str, sends: tuple[str, ...]) -> Decision:
    permit = held.grant.permit
    ends = held.grant.expires
    until = f", until {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime(ends))}" if ends is not None else ""
    return replace(
        decision,
        account=held.key.account,
        permit=permit.kind,
        held=f"{permit.kind}, {state}{until}, by {held.flow} from {held.origin}, kept in {kept}",
        sends=sends,
    )


def _with_login(decision: Decision, wallet: Wallet, want: Want, claim: str) -> Decision:
    """Add which sources a login would ask, and what it would do."""
    try:
        chosen = wallet.preview(want)
    except VoAuthError as error:
        attempts = getattr(error, "attempts", ())
        sources = tuple(_asked(name, outcome) for name, outcome in attempts)
        return replace(decision, sources=sources, why=f"{claim}; {_first_line(error)}")
    names = [source.name for source in wallet.sources]
    later = names[names.index(chosen.source) + 1 :] if chosen.source in names else []
    sources = (
        *(_asked(item.source, item.outcome) for item in chosen.attempts),
        AskedSource(name=chosen.source, outcome=chosen.origin, is_used=True),
        *(AskedSource(name=name, outcome="not asked: an earlier one is enough") for name in later),
    )
    return replace(
        decision,
        account=chosen.username or want.account.label,
        permit="new",
        why=f"{claim}; {chosen.flow.name} with {chosen.origin}",
        sources=sources,
        flow=chosen.flow.name,
        sends=(
            f"{foreseen_form(chosen.flow)} (after a login)" if chosen.flow.login_urls else foreseen_form(chosen.flow),
        ),
    )


def _asked(name: str, outcome: str) -> AskedSource:
    if name == "prompt" and outcome.startswith("not asked: no ") and is_interactive():
        outcome = "would ask you here"
    return AskedSource(name=name, outcome=outcome)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
