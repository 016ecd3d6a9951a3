"""Misbehaviour that the sandbox's host does for every stand-in: the one place where these knobs are documented.

Knobs of a :class:`~vo_auth.sandbox.Bench` that are looked at here:

``fail_on``
    A list of :class:`Fault` records. The first one that matches a request is used up once; a record whose ``times``
    are used up leaves the list, so what is left in the list is what is still to come. Requests are recorded first:
    a failed one is among those received. The stand-in's application does not see it (except behind a mere delay).
``clock_skew``
    Seconds by which the archive's clock is wrong. It moves :meth:`Bench.now` and the ``Date`` header of every answer
    of that archive.

Both may be turned at any time, from any thread.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from types import MappingProxyType

from .standin import Bench

__all__ = ["Fault", "date_header", "take_fault"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way in which a stand-in fails, for the requests that it names.

    Parameters
    ----------
    path_regex
        Searched for (``re.search``) in the raw path as it was sent, without the query.
    method
        Only requests of this method; empty means any.
    status
        The answer's status; 0 means that the stand-in answers after all, for a fault that is only slow.
    body, headers
        The rest of the answer. Without a Content-Type of its own it is plain text.
    times
        How many requests fail; None means every one.
    delay
        Seconds to wait before the answer.
    drop
        Close the connection without an answer.
    redirect
        Send the client here; with 302 unless ``status`` is another redirection.
    """

    path_regex: str
    method: str = ""
    status: int = 503
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    times: int | None = 1
    delay: float = 0.0
    drop: bool = False
    redirect: str = ""

    def matches(self, method: str, path: str) -> bool:
        """Say whether a request fails in this way.

        Parameters
        ----------
        method, path
            As they arrived.

        Returns
        -------
        bool
        """
        if self.method and self.method.upper() != method.upper():
            return False
        return re.search(self.path_regex, path) is not None

    def answer(self) -> tuple[int, dict[str, str], str]:
        """Return the answer that this fault gives.

        Returns
        -------
        tuple
            Status, headers and body.
        """
        headers = dict(self.headers)
        if not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "text/plain; charset=utf-8"
        if not self.redirect:
            return self.status, headers, self.body
        headers["Location"] = self.redirect
        return (self.status if 300 <= self.status < 400 else 302), headers, self.body


def take_fault(bench: Bench, method: str, path: str) -> Fault | None:
    """Find the fault that is due for a request, and use it up once.

    Parameters
    ----------
    bench
        Of the stand-in that was asked; its knob ``fail_on`` is read and shortened.
    method, path
        The request as it arrived.

    Returns
    -------
    Fault | None
        None when the stand-in should answer as it does.
    """
    if not bench.knob("fail_on"):
        return None
    with bench.guard():
        faults = bench.knob("fail_on")
        if not isinstance(faults, list):
            faults = bench.knobs["fail_on"] = list(faults or ())
        for position, fault in enumerate(faults):
            if fault.matches(method, path):
                _use_up(faults, position)
                return fault  # type: ignore[no-any-return]
    return None


def _use_up(faults: list[Fault], position: int) -> None:
    times = faults[position].times
    if times is None:
        return
    if times <= 1:
        del faults[position]
    else:
        faults[position] = replace(faults[position], times=times - 1)


def date_header(bench: Bench) -> str:
    """Return the archive's own time as the value of a Date header.

    Parameters
    ----------
    bench
        Of the archive; its knob ``clock_skew`` moves the time.

    Returns
    -------
    str
        As RFC 9110 section 5.6.7 writes it.
    """
    return formatdate(bench.now(), usegmt=True)
