"""Look for secrets where none may be."""

from __future__ import annotations

import base64
import json
import logging
import pickle
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, quote_plus

from ..secret import Secret

__all__ = ["assert_no_secret"]

_SHORTEST = 4  # shorter texts turn up by accident
_SHORTEST_BASE64 = 6
_Place = tuple[str, bytes]


def assert_no_secret(secrets: Iterable[str | Secret], *objects: object) -> None:
    """Fail if a secret is found in any of the objects, in clear or in a usual disguise.

    Each secret is looked for as it is, percent-encoded, as JSON and ``repr`` write it, and inside of base64 (so the
    password in a Basic header is found, too). What is searched depends on the object:

    - text and bytes: as they are;
    - a :class:`~pathlib.Path`: the file, or every file below the folder, names included;
    - an exception: ``str``, ``repr``, ``args``, notes, attributes, the local variables of its traceback, the same for
      its whole chain of causes and contexts, and its pickle. Frames of the calling file are left out: a test holds
      the secrets that it looks for;
    - a log record (``caplog.records`` is a list of them): message, arguments, attributes and exception;
    - a mapping, list, tuple or set: every item;
    - anything else: ``str``, ``repr``, the ``repr`` of its attributes, and its pickle where it has one.

    Parameters
    ----------
    secrets
        The texts to look for, each of at least four characters.
    objects
        Where to look.

    Raises
    ------
    AssertionError
        A secret was found; the text says where and never has the secret.
    ValueError
        There is nothing to look for, or a secret is too short to be told from ordinary text.

    Examples
    --------
    >>> assert_no_secret(["obviously-fake"], ValueError("the password was rejected"))
    >>> assert_no_secret(["obviously-fake"], "https://example.org/?password=obviously%2Dfake&x=obviously-fake")
    Traceback (most recent call last):
    ...
    AssertionError: secret 1 (as it is) is in object 1 (str): its text
    """
    __tracebackhide__ = True  # pytest would show the arguments, the secrets among them
    needles = list(_needles(secrets))
    if not needles:
        raise ValueError("there is no secret to look for: such a test cannot fail")
    searched = _Search(own_file=sys._getframe(1).f_code.co_filename)
    for number, thing in enumerate(objects, 1):
        for place, hay in searched.places(thing, f"object {number}"):
            for label, needle in needles:
                # Not an `assert`: pytest would explain it by showing both sides.
                if needle in hay:
                    raise AssertionError(f"{label} is in {place}")


def _needles(secrets: Iterable[str | Secret]) -> Iterator[_Place]:
    for number, secret in enumerate(secrets, 1):
        text = secret.reveal() if isinstance(secret, Secret) else secret
        if len(text) < _SHORTEST:
            raise ValueError(f"secret {number} has fewer than {_SHORTEST} characters: it would turn up by accident")
        seen = set()
        for form, disguised in _forms(text):
            if disguised not in seen:
                seen.add(disguised)
                yield f"secret {number} ({form})", disguised.encode("utf-8", "surrogatepass")


def _forms(text: str) -> Iterator[tuple[str, str]]:
    yield "as it is", text
    for encoded in (quote(text, safe=""), quote(text), quote_plus(text)):
        yield "percent-encoded", encoded
        yield "percent-encoded", _lower_escapes(encoded)
    yield "as JSON writes it", json.dumps(text)[1:-1]
    yield "as repr writes it", repr(text)[1:-1]
    if len(text) >= _SHORTEST_BASE64:
        for core in _base64_cores(text.encode("utf-8", "surrogatepass")):
            yield "in base64", core
            yield "in base64", core.replace("+", "-").replace("/", "_")


def _lower_escapes(encoded: str) -> str:
    head, *rest = encoded.split("%")
    return "%".join([head, *(part[:2].lower() + part[2:] for part in rest)])


def _base64_cores(raw: bytes) -> Iterator[str]:
    """Yield what base64 makes of a text inside of a longer one, for each of the three ways in which it can lie."""
    for before in range(3):
        bits = 8 * (before + len(raw))
        first = -(-8 * before // 6)  # characters before this one mix with what is in front
        yield base64.b64encode(b"\0" * before + raw).decode()[first : bits // 6]


class _Search:
    """Walk through objects, each exception once."""

    def __init__(self, *, own_file: str) -> None:
        self._own_file = own_file
        self._seen: set[int] = set()

    def places(self, thing: object, where: str) -> Iterator[_Place]:
        """Yield the places of one object that are searched, with what is there."""
        where = f"{where} ({type(thing).__name__})"
        if isinstance(thing, str):
            yield f"{where}: its text", _raw(thing)
        elif isinstance(thing, bytes | bytearray):
            yield f"{where}: its bytes", bytes(thing)
        elif isinstance(thing, Path):
            yield from _files(thing, where)
        elif isinstance(thing, BaseException):
            yield from self._exception(thing, where)
        elif isinstance(thing, logging.LogRecord):
            yield from self._record(thing, where)
        else:
            yield from self._items(thing, where)
            yield from _faces(thing, where)

    def _items(self, thing: object, where: str) -> Iterator[_Place]:
        if isinstance(thing, Mapping):
            thing = [*thing.keys(), *thing.values()]
        if isinstance(thing, list | tuple | set | frozenset):
            for number, item in enumerate(thing, 1):
                yield from self.places(item, f"{where}, item {number}")

    def _exception(self, error: BaseException, where: str) -> Iterator[_Place]:
        if id(error) in self._seen:
            return
        self._seen.add(id(error))
        yield from _faces(error, where)
        yield f"{where}: its args", _raw(repr(error.args))
        yield f"{where}: its notes", _raw(repr(getattr(error, "__notes__", ())))
        yield from self._frames(error, where)
        for name in ("__cause__", "__context__"):
            chained = getattr(error, name)
            if chained is not None:
                yield from self._exception(chained, f"{where}, its {name} ({type(chained).__name__})")
        if isinstance(error, BaseExceptionGroup):
            for number, inner in enumerate(error.exceptions, 1):
                yield from self._exception(inner, f"{where}, exception {number} of the group")

    def _frames(self, error: BaseException, where: str) -> Iterator[_Place]:
        walked = traceback.walk_tb(error.__traceback__)
        frames = [(frame, line) for frame, line in walked if frame.f_code.co_filename != self._own_file]
        for frame in traceback.StackSummary.extract(frames, lookup_lines=False, capture_locals=True):
            for name, value in (frame.locals or {}).items():
                spot = f"{frame.name}, {Path(frame.filename).name} line {frame.lineno}"
                yield f"{where}, its traceback: the local variable {name!r} of {spot}", _raw(value)

    def _record(self, record: logging.LogRecord, where: str) -> Iterator[_Place]:
        where = f"{where} of the logger {record.name}"
        yield f"{where}: its message", _raw(record.getMessage())
        yield f"{where}: its attributes", _raw(repr(vars(record)))
        if record.exc_info and record.exc_info[1] is not None:
            yield from self._exception(record.exc_info[1], f"{where}, its exception")


def _faces(thing: object, where: str) -> Iterator[_Place]:
    yield f"{where}: its str", _raw(str(thing))
    yield f"{where}: its repr", _raw(repr(thing))
    for name, value in getattr(thing, "__dict__", {}).items():
        yield f"{where}: its attribute {name!r}", _raw(repr(value))
    with suppress(Exception):  # many things have no pickle, each says so in its own way
        yield f"{where}: its pickle", pickle.dumps(thing)


def _files(path: Path, where: str) -> Iterator[_Place]:
    if not path.exists():
        raise ValueError(f"{where}: {path} does not exist, so nothing can be found in it")
    for file in [path] if path.is_file() else sorted(path.rglob("*")):
        yield f"{where}: a file's name", _raw(file.name)
        if file.is_file():
            yield f"{where}: the file {file.name}", file.read_bytes()


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
