"""How an archive tells failures apart: statuses and texts, as data."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = ["PEEK", "Tell", "Trouble", "find_trouble"]

PEEK = 8192  # bytes of an answer's body that are looked at


class Trouble(enum.Enum):
    """What is wrong, where a program or a person would act differently."""

    PASSWORD = "wrong credentials"  # noqa: S105 - a word for people
    SECOND_FACTOR = "second factor needed"
    LOCKED = "account locked"
    NOT_ENTITLED = "not entitled"
    LICENCE = "licence not accepted"
    BLOCKED = "address blocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """A sign by which an answer says what is wrong.

    Parameters
    ----------
    trouble
        What it says.
    statuses
        HTTP statuses that it comes with; empty: any from 400 on.
    text
        A regular expression that is searched for, without regard to case, in the first bytes of the body; empty: the
        status alone says it.
    at
        Whether it is an answer to a ``login``, or to a request for ``data``.

    Raises
    ------
    ValueError
        When neither statuses nor a text are given, or the text is no regular expression.

    Examples
    --------
    >>> tell = Tell(trouble=Trouble.LOCKED, statuses=(401,), text="account (is )?locked")
    >>> tell.fits(401, b"Your account is locked."), tell.fits(401, b"Wrong password.")
    (True, False)
    """

    trouble: Trouble
    statuses: tuple[int, ...] = ()
    text: str = ""
    at: Literal["login", "data"] = "login"

    def __post_init__(self) -> None:
        if not self.statuses and not self.text:
            raise ValueError("a tell needs statuses, a text, or both")
        try:
            re.compile(self.text)
        except re.error as error:
            raise ValueError(f"the text of a tell is a regular expression: {error}") from None

    def fits(self, status: int, start: bytes) -> bool:
        """Say whether an answer bears this sign.

        Parameters
        ----------
        status
            The HTTP status.
        start
            The first bytes of the body.
        """
        if status not in self.statuses if self.statuses else status < 400:
            return False
        return not self.text or re.search(self.text, start.decode("utf-8", "replace"), re.IGNORECASE) is not None


_LOCKED = Tell(trouble=Trouble.LOCKED, statuses=(423,))  # RFC 4918, section 11.3


def find_trouble(told: Iterable[Tell], at: str, status: int, start: bytes) -> Trouble | None:
    """Return what an answer says is wrong, or None where no sign fits.

    Parameters
    ----------
    told
        The archive's signs; the first that fits counts.
    at
        ``login`` or ``data``.
    status, start
        The answer's status and the first bytes of its body.

    Returns
    -------
    Trouble or None
        Of a login also what HTTP itself has a status for.
    """
    signs = [tell for tell in told if tell.at == at] + ([_LOCKED] if at == "login" else [])
    return next((tell.trouble for tell in signs if tell.fits(status, start[:PEEK])), None)
