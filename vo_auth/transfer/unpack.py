"""Undo a Content-Encoding that a server put on although none was asked for."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from ..errors import TransferError
from .part import Part

__all__ = ["must_unpack", "unpack"]

_SUFFIXES = {
    "gzip": (".gz", ".tgz"),
    "x-gzip": (".gz", ".tgz"),
    "compress": (".z",),
    "x-compress": (".z",),
    "zstd": (".zst",),
}
_WINDOW = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_BLOCK = 1 << 18


def must_unpack(coding: str, name: str) -> bool:
    """Say whether what came is not the file itself.

    A server that packs ``x.fits.gz`` no further, and says gzip for what the file is, sends the file (as ``curl`` and
    ``wget`` take it, too).

    Parameters
    ----------
    coding
        The Content-Encoding.
    name
        The file's name.
    """
    return bool(coding) and not name.lower().endswith(_SUFFIXES.get(coding, ("\0",)))


def unpack(source: Part, target: Part, coding: str) -> None:
    """Unpack one part into another.

    Parameters
    ----------
    source
        Whole.
    target
        Empty.
    coding
        The Content-Encoding.

    Raises
    ------
    TransferError
        When it cannot be undone.
    DiskError
        When the disk does not take it.
    """
    if coding not in _WINDOW:
        raise TransferError(f"It came with the Content-Encoding {coding!r}, which was not asked for and is not known")
    try:
        with source.path.open("rb") as file:
            left = _members(iter(lambda: file.read(_BLOCK), b""), target, _WINDOW[coding])
    except zlib.error as error:
        raise TransferError(f"It came packed ({coding}), and cannot be unpacked: {error}") from None
    if left:
        raise TransferError(f"It came packed ({coding}), and breaks off")


def _members(blocks: Iterator[bytes], target: Part, window: int) -> bool:
    """Unpack one member after the other (RFC 1952, section 2.2); return whether the last one is not complete."""
    decoder, is_inside = zlib.decompressobj(window), True
    for block in blocks:
        data = block
        while data:
            if not is_inside:
                data = data.lstrip(b"\0")  # padding, as gzip takes it
                decoder, is_inside = zlib.decompressobj(window), bool(data)
            target.write(memoryview(decoder.decompress(data, _BLOCK)))
            data = decoder.unconsumed_tail
            if decoder.eof:
                data, is_inside = decoder.unused_data, False
    return is_inside
