"""One session per archive: each names its archive, so that its permit is required there, and asks nobody in between."""

from __future__ import annotations

import re

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidURL

from ..domain import Domain, Target
from ..edge import Edge, is_anonymous
from ..errors import PluginClashError, VoAuthError
from ..mounts import Adapters
from ..registry import default_registry
from ..session import session_for
from .record import host_of

__all__ = ["Sessions"]

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:+-]*")  # a last segment that changes nothing about the archive
_POOL = 10  # connections that requests keeps for a host


class Sessions:
    """The sessions of one download.

    Parameters
    ----------
    session
        One to use for everything; None: one per archive is made.
    account, required, interactive
        As for ``session_for``.
    workers
        How many requests there may be at once.
    """

    def __init__(
        self,
        session: requests.Session | None = None,
        *,
        account: str | None = None,
        required: bool = True,
        interactive: bool | None = None,
        workers: int = 4,
    ) -> None:
        self._given = session
        self._account = account
        self._required = required
        self._interactive = interactive
        self._workers = workers
        self._groups: dict[str, str] = {}
        self._made: dict[str, requests.Session] = {}
        self._foreseen: dict[tuple[str, str], str] = {}
        self._issued: dict[str, object] = {}
        self._prepared: set[Domain] = set()

    def close(self) -> None:
        """Close those that were made here."""
        for session in self._made.values():
            session.close()

    def group(self, url: str) -> str:
        """Return which files fail together when there is no permit: those of one archive, else of one host.

        Parameters
        ----------
        url
            Of a file.
        """
        folder, _, last = url.partition("?")[0].rpartition("/")
        if not _PLAIN.fullmatch(last):
            folder = url
        if folder not in self._groups:
            self._groups[folder] = _archive_at(url) or f"{url.partition(':')[0]}://{host_of(url)}"
        return self._groups[folder]

    def get(self, url: str, *, group: str | None = None) -> requests.Session:
        """Return the session for a URL.

        Parameters
        ----------
        url
            Of a file.
        group
            Its group, where that is known.

        Raises
        ------
        VoAuthError
            When the archive is known, and its plugin is not installed.
        """
        if self._given is not None:
            return self._given
        group = group or self.group(url)
        if group not in self._made:
            session = session_for(url, account=self._account, required=self._required, interactive=self._interactive)
            if self._workers > _POOL:
                for prefix in ("https://", "http://"):
                    session.mount(prefix, HTTPAdapter(pool_maxsize=self._workers))
            self._made[group] = session
        return self._made[group]

    # ---------------------------------------------------------------- permits

    def foresee(self, url: str) -> str:
        """Return whose permit a request would get now, as ``eso:DEMOPI``; empty where that is not known.

        Parameters
        ----------
        url
            Of a file.
        """
        try:
            edge, target = self._edge(url), Target.from_url(url)
            claim = edge.claim(target) if edge is not None else None
            if edge is None or claim is None:
                return ""
            key = (claim.match.archive.name, claim.match.domain.realm)
            if key not in self._foreseen:
                archive, account = edge.foresee(target)
                self._foreseen[key] = f"{archive}:{account}" if account else ""
            return self._foreseen[key]
        except (VoAuthError, ValueError, InvalidURL):
            return ""

    def prepare(self, url: str) -> None:
        """Obtain the permit that a request will need, before there are several threads: a person may be asked.

        Parameters
        ----------
        url
            Of a file.

        Raises
        ------
        VoAuthError
            When none can be had.
        ValueError
            When it is no URL.
        """
        domain = self._domain(url)
        if domain is not None and domain not in self._prepared:
            self._permit(url)
            self._prepared.add(domain)

    def _domain(self, url: str) -> Domain | None:
        edge = self._edge(url)
        claim = edge.claim(Target.from_url(url)) if edge is not None else None
        return None if claim is None else claim.match.domain

    def is_renewed(self, url: str) -> bool:
        """Say whether the permit for a URL is another one than when this was asked before."""
        try:
            return self._permit(url)
        except VoAuthError:
            return False

    def _permit(self, url: str) -> bool:
        edge = self._edge(url)
        claim = edge.claim(Target.from_url(url)) if edge is not None else None
        if edge is None or claim is None or is_anonymous() or edge.why_undressed(claim):
            return False
        dressing = edge.dress(claim)
        if dressing is None:
            return False
        name, issued = str(dressing.held.key), dressing.held.grant.issued
        before = self._issued.get(name)
        self._issued[name] = issued
        return before is not None and before != issued

    def _edge(self, url: str) -> Edge | None:
        adapters = self.get(url).adapters
        return adapters.edge if isinstance(adapters, Adapters) else None


def _archive_at(url: str) -> str:
    """Return the name of the archive that a URL belongs to; empty for none."""
    try:
        target = Target.from_url(url)
        match = default_registry().find(target) or (
            default_registry().find(secure) if (secure := target.secured()) is not None else None
        )
    except (PluginClashError, ValueError, InvalidURL):
        return ""
    return match.archive.name if match is not None else ""
