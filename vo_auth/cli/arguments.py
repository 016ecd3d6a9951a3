"""Arguments of other programs: only those are let through of which it is known that they keep a permit where it is.

A list of what is refused would be wrong with each new version of a program, and both programs take any unambiguous
beginning of a long option. So what is not listed here is refused, and so is every beginning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..handoff import HandoffError

__all__ = ["Argument", "Grammar", "names", "refuse_own_headers", "refuse_stdin"]

_OWN = frozenset({"authorization", "cookie", "host", "proxy-authorization", "x-vo-bearer"})


def names(text: str) -> frozenset[str]:
    """Return the words of a text.

    Parameters
    ----------
    text
        With blanks between them.
    """
    return frozenset(text.split())


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument, or an option with its value.

    Parameters
    ----------
    option
        The option; empty for a URL.
    value
        Its value, or the URL; None for an option without one.
    words
        How it is written for the program.
    """

    option: str
    value: str | None
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """Which options of a program are let through.

    Parameters
    ----------
    program
        Its name.
    flags, valued
        Options without and with a value.
    refused
        Well-known options that are refused, with the reason.
    joins_values
        Whether ``--option=value`` is a way to write it.
    """

    program: str
    flags: frozenset[str]
    valued: frozenset[str]
    refused: Mapping[str, str] = field(default_factory=dict)
    joins_values: bool = False

    def read(self, words: Sequence[str]) -> Iterator[Argument]:
        """Read arguments one after the other.

        Parameters
        ----------
        words
            As a shell hands them over.

        Yields
        ------
        Argument
            In their order.

        Raises
        ------
        HandoffError
            When one is not let through, or a value is missing.
        """
        rest = list(words)
        while rest:
            word = rest.pop(0)
            if word == "-" or not word.startswith("-"):
                yield Argument("", word, (word,))
            elif word == "--":
                raise HandoffError(f"a second `--` is not understood; write the arguments of {self.program} behind one")
            elif word.startswith("--") or word in self.flags or word in self.valued:
                yield self._long(word, rest)
            else:
                yield from self._cluster(word, rest)

    def _long(self, word: str, rest: list[str]) -> Argument:
        name, joined, value = word.partition("=") if self.joins_values else (word, "", "")
        if name in self.flags and not joined:
            return Argument(name, None, (word,))
        if name not in self.valued:
            raise self._refusal(name)
        if joined:
            return Argument(name, value, (word,))
        value = self._next(name, rest)
        return Argument(name, value, (word, value))

    def _cluster(self, word: str, rest: list[str]) -> Iterator[Argument]:
        """Read ``-sSo file``: options of one letter, of which the last may take what follows."""
        for position, letter in enumerate(word[1:], 1):
            name, behind = f"-{letter}", word[position + 1 :]
            if name in self.flags:
                yield Argument(name, None, (name,))
            elif name in self.valued:
                value = behind or self._next(name, rest)
                yield Argument(name, value, (name, value))
                return
            else:
                raise self._refusal(name)

    def _next(self, name: str, rest: list[str]) -> str:
        if not rest:
            raise HandoffError(f"{self.program}'s option {name} wants a value")
        return rest.pop(0)

    def _refusal(self, name: str) -> HandoffError:
        reason = self.refused.get(name)
        if reason:
            return HandoffError(f"{self.program}'s option {name} is refused: {reason}")
        return HandoffError(
            f"{self.program}'s option {name} is not among those that are known to keep a permit where it is; "
            "write it in full, leave it out, or use `vo-auth exec`"
        )


def refuse_own_headers(argument: Argument) -> None:
    """Refuse a header by which the caller says who asks, or whom, and one that is read from a file.

    Raises
    ------
    HandoffError
        When it is one.
    """
    text = argument.value or ""
    name = text.partition(":")[0].partition(";")[0].strip().lower()
    if text.startswith("@") or name in _OWN:
        raise HandoffError(f"the header {name!r} is refused: the permit says who asks, and the URL whom")


def refuse_stdin(program: str, argument: Argument) -> None:
    """Refuse a value that would be read from standard input: the permit comes that way.

    Raises
    ------
    HandoffError
        When it would.
    """
    text = argument.value or ""
    if text in ("-", ".") or text.startswith("@-") or "=@-" in text or "=<-" in text or text.endswith("@-"):
        raise HandoffError(
            f"{program} gets its permit on standard input, so {argument.option} cannot read that: use a file"
        )
