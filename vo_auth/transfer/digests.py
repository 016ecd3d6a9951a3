"""Digests of files: what a user or an archive says, in the forms that are about, and what a file really has."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["announced", "digest_of", "parse_digest", "parse_listing"]

_BY_LENGTH = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
_STRENGTH = ("sha512", "sha384", "sha256", "sha224", "sha1", "md5")
_NAMED = re.compile(r"([a-zA-Z0-9-]+)\s*=\s*:?([A-Za-z0-9+/_=-]+):?")


def parse_digest(text: str) -> str:
    """Return a digest in one form.

    Parameters
    ----------
    text
        ``sha256:HEX``, or hexadecimal alone, whose length then tells the algorithm.

    Returns
    -------
    str
        As ``sha256:hex``, in lower case.

    Raises
    ------
    ValueError
        When it is neither.

    Examples
    --------
    >>> parse_digest("D41D8CD98F00B204E9800998ECF8427E")
    'md5:d41d8cd98f00b204e9800998ecf8427e'
    """
    algorithm, colon, value = text.strip().lower().rpartition(":")
    algorithm = algorithm.replace("-", "") if colon else _BY_LENGTH.get(len(value), "")
    if _BY_LENGTH.get(len(value)) != algorithm or not re.fullmatch("[0-9a-f]+", value):
        raise ValueError(f"{text!r} is no digest: write it as sha256:HEX (also md5, sha1, sha512)")
    return f"{algorithm}:{value}"


def parse_listing(text: str) -> dict[str, str]:
    """Return the digests in a list as ``sha256sum`` writes it, by what stands beside them: a file's name or a URL.

    Parameters
    ----------
    text
        One digest, blanks and a name a line; empty lines and those that begin with # do not count.

    Returns
    -------
    dict
        Name or URL → digest.

    Raises
    ------
    ValueError
        When a line is of another form.
    """
    found = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        value, _, name = line.strip().lstrip("\\").partition(" ")
        if not name.strip():
            raise ValueError(f"{line!r} is no line of a list of digests: it has a digest, blanks and a name")
        found[name.strip().removeprefix("*")] = parse_digest(value)
    return found


def announced(headers: Mapping[str, str], *, is_whole: bool) -> str:
    """Return the strongest digest of the whole representation that an answer's headers have; empty for none.

    Parameters
    ----------
    headers
        Case-insensitive: Repr-Digest, Content-Digest (RFC 9530), Digest (RFC 3230), Content-MD5 (RFC 2616).
    is_whole
        Whether the answer's content is the whole representation, and not a part of it.

    Returns
    -------
    str
        As ``sha256:hex``; of the bytes as they are sent, with their Content-Encoding.
    """
    found = dict(_in_header(headers.get("Repr-Digest", "")))
    if is_whole:
        found |= dict(_in_header(headers.get("Content-Digest", "")))
        found |= dict(_in_header(f"md5={headers.get('Content-MD5', '')}"))
        found |= dict(_in_header(headers.get("Digest", "")))
    return next((f"{name}:{found[name]}" for name in _STRENGTH if name in found), "")


def _in_header(value: str) -> Iterator[tuple[str, str]]:
    for name, encoded in _NAMED.findall(value):
        algorithm = name.lower().replace("-", "")
        algorithm = "sha1" if algorithm == "sha" else algorithm
        try:
            raw = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            continue
        if _BY_LENGTH.get(2 * len(raw)) == algorithm:
            yield algorithm, raw.hex()


def digest_of(path: Path, algorithm: str) -> str:
    """Return a file's digest.

    Parameters
    ----------
    path
        The file.
    algorithm
        As ``sha256``.

    Returns
    -------
    str
        As ``sha256:hex``.
    """

    def begin() -> Any:
        return hashlib.new(algorithm, usedforsecurity=False)

    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, begin).hexdigest()}"
