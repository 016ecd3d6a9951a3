"""The ``.Z`` compression of ESO's raw frames: LZW as ``compress`` writes it and ``gunzip`` reads it.

Only 9-bit codes are used, with the table cleared before a tenth bit would be needed. That is a valid file for every
reader, and 256 codes of 9 bits fill whole bytes, so no padding rule is needed. It packs less well than ``compress``.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["compress", "decompress"]

_HEADER = b"\x1f\x9d\x90"  # magic, then: block mode (a clear code exists), at most 16 bits
_CLEAR = 256
_CODES_PER_TABLE = 255  # the 256th code is the clear code; then a reader would widen to 10 bits
_WIDTH = 9


def compress(data: bytes) -> bytes:
    """Compress bytes to a ``.Z`` file.

    Parameters
    ----------
    data
        The plain content.

    Returns
    -------
    bytes
        A complete ``.Z`` file.
    """
    packed = bytearray(_HEADER)
    held, bits = 0, 0
    for code in _codes(data):
        held |= code << bits
        bits += _WIDTH
        while bits >= 8:
            packed.append(held & 0xFF)
            held >>= 8
            bits -= 8
    if bits:
        packed.append(held)
    return bytes(packed)


def decompress(packed: bytes) -> bytes:
    """Undo :func:`compress`.

    Parameters
    ----------
    packed
        A ``.Z`` file of this module; other writers use wider codes.

    Returns
    -------
    bytes
        The plain content.

    Raises
    ------
    ValueError
        If the bytes are not such a file.
    """
    if not packed.startswith(_HEADER):
        raise ValueError("Not a .Z file of this module: the header differs.")
    stream = int.from_bytes(packed[len(_HEADER) :], "little")
    count = (len(packed) - len(_HEADER)) * 8 // _WIDTH
    codes = ((stream >> (_WIDTH * index)) & 0x1FF for index in range(count))
    return b"".join(_words(codes))


def _codes(data: bytes) -> Iterator[int]:
    table: dict[bytes, int] = {}
    word = b""
    written = 0
    for value in data:
        longer = word + bytes((value,))
        if len(longer) == 1 or longer in table:
            word = longer
            continue
        yield _code_of(word, table)
        table[longer] = _CLEAR + 1 + written
        written += 1
        word = longer[-1:]
        if written == _CODES_PER_TABLE:
            yield _CLEAR
            table, written = {}, 0
    if word:
        yield _code_of(word, table)


def _code_of(word: bytes, table: dict[bytes, int]) -> int:
    return word[0] if len(word) == 1 else table[word]


def _words(codes: Iterator[int]) -> Iterator[bytes]:
    table: dict[int, bytes] = {}
    previous = b""
    for code in codes:
        if code == _CLEAR:
            table, previous = {}, b""
            continue
        word = _word_of(code, table, previous)
        if previous:
            table[_CLEAR + 1 + len(table)] = previous + word[:1]
        yield word
        previous = word


def _word_of(code: int, table: dict[int, bytes], previous: bytes) -> bytes:
    if code < _CLEAR:
        return bytes((code,))
    if code in table:
        return table[code]
    if not previous or code != _CLEAR + 1 + len(table):
        raise ValueError("Not a .Z file of this module: a code names no entry.")
    return previous + previous[:1]
