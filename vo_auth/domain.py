"""Where a permit may go: the only code that compares URLs.

A decision is made on what is really dialled (scheme, host and port of the connection) and on the path that is really
sent, in every way in which a server might read it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from requests.exceptions import InvalidURL
from requests.models import PreparedRequest

__all__ = ["Domain", "Origin", "Target"]

_DEFAULT_PORTS = {"https": 443, "http": 80}
# Anything in a path that a server may read in more than one way.
_AMBIGUOUS = re.compile(r"%|\\|//|/\.|;")
_DEPTH = 5  # of escapes in escapes; nothing honest goes beyond two
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|[0-9a-f:.]+")


class Origin(NamedTuple):
    """Scheme, host and port: what one connection reaches.

    Parameters
    ----------
    scheme
        ``https`` or ``http``.
    host
        In lower case, without brackets.
    port
        Always a number; the scheme's own where the URL names none.
    """

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS.get(self.scheme) else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    @classmethod
    def of(cls, scheme: str, host: str | None, port: int | None) -> Origin:
        """Return the origin of a connection, normalised."""
        scheme = scheme.lower()
        return cls(scheme, (host or "").lower().strip("[]"), port or _DEFAULT_PORTS.get(scheme, 0))

    @classmethod
    def from_url(cls, url: str) -> Origin:
        """Return the origin that ``requests`` would dial for this URL.

        Raises
        ------
        requests.exceptions.InvalidURL, requests.exceptions.MissingSchema
            When requests would refuse the URL.
        """
        return Target.from_url(url).origin

    def secured(self) -> Origin | None:
        """Return the https form of plain http on the default port; None for anything else: it is another origin."""
        return Origin("https", self.host, 443) if (self.scheme, self.port) == ("http", 80) else None

    @property
    def is_loopback(self) -> bool:
        """Whether this is this machine itself."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def may_carry_permits(self) -> bool:
        """Whether the transport keeps a permit private: https, or this machine itself."""
        return self.scheme == "https" or (self.scheme == "http" and self.is_loopback)


class Target(NamedTuple):
    """Where one request really goes.

    Parameters
    ----------
    origin
        What is dialled.
    path
        The path as it is sent, percent-encoding included.
    """

    origin: Origin
    path: str

    @classmethod
    def from_url(cls, url: str) -> Target:
        """Return where ``requests`` would send this URL.

        Raises
        ------
        requests.exceptions.InvalidURL, requests.exceptions.MissingSchema
            When requests would refuse the URL.
        """
        prepared = PreparedRequest()
        prepared.prepare_url(url, None)
        try:
            parts = urlsplit(prepared.url or "")
            return cls(Origin.of(parts.scheme, parts.hostname, parts.port), parts.path)
        except ValueError:  # of a scheme that requests passes on without a look
            raise InvalidURL("this is no URL that can be requested: its host or port makes no sense") from None

    def secured(self) -> Target | None:
        """Return the https form of plain http on the default port; None for anything else."""
        origin = self.origin.secured()
        return None if origin is None else Target(origin, self.path)

    def readings(self) -> tuple[tuple[str, ...], ...]:
        """Return the path's segments in each way in which a server may read them.

        Returns
        -------
        tuple of tuple of str
            One reading for a plain path. Where there is an escape, a backslash, an empty or a dot segment or a path
            parameter, what servers and proxies make of it: decoded never, once or more often, before or after the
            path is split; backslashes turned; parameters cut; empty segments merged; dot segments removed, or left.
            None at all for a path that is encoded so often that it can only be meant to deceive.
        """
        if not _AMBIGUOUS.search(self.path):
            return (tuple(self.path.strip("/").split("/")) if self.path.strip("/") else (),)
        found = {reading: None for text in _decodings(self.path) for reading in _readings(text)}
        return tuple(found)


def _decodings(path: str) -> list[str]:
    texts = [path]
    for _ in range(_DEPTH):  # servers behind proxies decode more than once
        plainer = unquote(texts[-1])
        if plainer == texts[-1]:
            return texts
        texts.append(plainer)
    return []


def _readings(text: str) -> Iterator[tuple[str, ...]]:
    for turned in dict.fromkeys((text, text.replace("\\", "/"))):
        split = turned.split("/")[1:]
        for decoded in (split, [unquote(part) for part in split]):
            for cut in (decoded, [part.partition(";")[0] for part in decoded]):
                for segments in (cut, [part for part in cut if part]):
                    yield _plain(segments)
                    yield _plain(_resolve(segments))


def _plain(segments: list[str]) -> tuple[str, ...]:
    """Return segments as those of a domain are compared: decoded, without empty ones at the end."""
    kept = [unquote(part) for part in segments]
    while kept and not kept[-1]:
        kept.pop()
    return tuple(kept)


def _resolve(segments: list[str]) -> list[str]:
    """Remove dot segments (RFC 3986, 5.2.4)."""
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            if kept:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    return kept


def _segments(path: str, *, what: str) -> tuple[str, ...]:
    if _AMBIGUOUS.search(path):
        raise ValueError(f"{what} {path!r} must be a plain path, without escapes, dots or empty segments")
    return tuple(part for part in path.split("/") if part)


@dataclass(frozen=True, slots=True)
class Domain:
    """A set of URLs where one permit may go: an origin and a path prefix at a segment boundary.

    Parameters
    ----------
    base
        An https URL, or an http one on loopback (for tests and local services); no userinfo, query or fragment.
    realm
        Parts one archive into contexts with a login each.
    upgrade_http
        Whether the archive offers the same over https, so that a plain ``http`` URL of the same host may be
        requested as ``https``.
    anonymous
        Path prefixes inside the domain that never get a permit, each from the root of the origin.
    insecure
        Whether the user's own configuration names this plain http origin as insecure on purpose; a plugin cannot.
    audience
        What a token's ``aud`` may call this service, the name to ask the issuer for first; empty: its own URL.

    Raises
    ------
    ValueError
        When the base is not such a URL, or an anonymous prefix not a path below it.
    TypeError
        When the anonymous prefixes are one text.

    Examples
    --------
    >>> tap = Domain("https://archive.example.org/tap")
    >>> tap.covers(Target.from_url("https://archive.example.org/tap/sync?QUERY=x"))
    True
    >>> tap.covers(Target.from_url("https://archive.example.org/tapestry"))
    False
    >>> tap.covers(Target.from_url("https://archive.example.org:8443/tap"))
    False
    >>> tap.covers(Target.from_url("https://archive.example.org/tap/%2e%2e/admin"))
    False
    """

    base: str
    realm: str = ""
    upgrade_http: bool = False
    anonymous: tuple[str, ...] = ()
    audience: tuple[str, ...] = ()
    insecure: bool = False
    origin: Origin = field(init=False, repr=False, compare=False)
    segments: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _anonymous: tuple[tuple[str, ...], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.base)
        if parts.username is not None or parts.query or parts.fragment or not parts.hostname:
            raise ValueError("a domain's base is scheme://host[:port][/path], nothing more")
        origin = Origin.of(parts.scheme, parts.hostname, parts.port)
        if not _HOST.fullmatch(origin.host):
            raise ValueError(f"the host of {self.base!r} must be plain ASCII (use the punycode form)")
        if not origin.may_carry_permits and not (self.insecure and origin.scheme == "http"):
            raise ValueError(f"{self.base!r} must be https (http only on loopback): a permit is readable on the way")
        segments = _segments(parts.path, what="the path of a domain")
        if isinstance(self.anonymous, str):
            raise TypeError("the anonymous prefixes are a tuple of paths, not one text")
        prefixes = tuple(_segments(path, what="the anonymous prefix") for path in self.anonymous)
        for prefix in prefixes:
            if len(prefix) <= len(segments) or prefix[: len(segments)] != segments:
                raise ValueError(f"the anonymous prefix {'/'.join(prefix)!r} is not a path below {self.base!r}")
        object.__setattr__(self, "origin", origin)
        object.__setattr__(self, "segments", segments)
        object.__setattr__(self, "_anonymous", prefixes)

    def covers(self, target: Target) -> bool:
        """Say whether a permit of this domain may go to the target.

        Parameters
        ----------
        target
            Where the request really goes.

        Returns
        -------
        bool
            True only if every reading of the path lies below the base, and none below an anonymous prefix.
        """
        return target.origin == self.origin and self.covers_path(target)

    def covers_path(self, target: Target) -> bool:
        """Say the same of the path alone.

        Parameters
        ----------
        target
            One whose origin is known to be right.
        """
        if not self.segments and not self._anonymous:
            return True
        depth = len(self.segments)
        readings = target.readings()
        if not readings:
            return False
        return all(reading[:depth] == self.segments for reading in readings) and not any(
            reading[: len(prefix)] == prefix for reading in readings for prefix in self._anonymous
        )

    def __str__(self) -> str:
        return f"{self.origin}/{'/'.join(self.segments)}"
