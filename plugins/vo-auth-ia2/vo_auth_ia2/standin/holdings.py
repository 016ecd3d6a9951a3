"""What is in the archive: observing programmes and their files, the same on every machine.

A programme corresponds to a group of the group membership service: who is in the group may have the files.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from math import degrees

__all__ = ["File", "PRIVATE", "PROGRAMMES", "PUBLIC", "Programme", "files_of", "find_file"]

PUBLIC, PRIVATE = "FREE", "PRIVATE"  # the first is known from public clients, the second is UNVERIFIED

_BLOCK = 2880
_START = datetime(2026, 1, 10, 20, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """An observing programme.

    Parameters
    ----------
    name
        As in the column ``PROGRAM``.
    collection
        ``tng`` or ``lbt``: a part of the files' addresses.
    instrument, target
        What was observed with what.
    count
        Files.
    group
        Who may have them; empty: everybody.
    day
        Of the first night, counted from the first night of all.
    """

    name: str
    collection: str
    instrument: str
    target: str
    count: int
    group: str = ""
    day: int = 0

    @property
    def policy(self) -> str:
        """The value of the column ``policy``."""
        return PRIVATE if self.group else PUBLIC


PROGRAMMES = (
    Programme(name="X99DDT_0", collection="tng", instrument="HARPN", target="HD 99999", count=12),
    Programme(name="CAL", collection="tng", instrument="HARPN", target="NONE", count=4, day=1),
    Programme(
        name="X99TAC_1",
        collection="tng",
        instrument="HARPN",
        target="KELT-99",
        count=240,
        group="TNG.X99TAC_1",
        day=2,
    ),
    Programme(
        name="X99TAC_2",
        collection="tng",
        instrument="GIANO-B",
        target="WASP-999",
        count=6,
        group="TNG.X99TAC_2",
        day=30,
    ),
    Programme(name="X99_0", collection="lbt", instrument="LUCI1", target="M 99", count=5, day=40),
    Programme(name="X99_A", collection="lbt", instrument="LUCI1", target="NGC 999", count=8, group="LBT.X99_A", day=41),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file.

    Parameters
    ----------
    programme
        It belongs to.
    number
        In the programme, from 0.
    """

    programme: Programme
    number: int

    @property
    def start(self) -> datetime:
        """When the exposure began."""
        night, place = divmod(self.number, 24)
        return _START + timedelta(days=self.programme.day + night, minutes=17 * place)

    @property
    def exposure(self) -> str:
        """The column ``EXP_ID``: instrument and time."""
        return f"{self.programme.instrument}.{self.start:%Y-%m-%dT%H-%M-%S}.000"

    @property
    def name(self) -> str:
        """The last part of its address."""
        return f"{self.exposure}_s1d_A.fits.gz" if self.programme.instrument == "HARPN" else f"{self.exposure}.fits.gz"

    @property
    def url(self) -> str:
        """Its address as the tables publish it: plain http."""
        return f"http://archives.ia2.inaf.it/files/{self.programme.collection}/{self.name}"

    @property
    def identifier(self) -> str:
        """What DataLink calls it."""
        return f"ivo://ia2.inaf.it/{self.programme.collection}?{self.name}"

    @property
    def position(self) -> tuple[float, float]:
        """Right ascension and declination in radians; zeros for calibrations, as in the archive."""
        if self.programme.target == "NONE":
            return 0.0, 0.0
        seed = sum(self.programme.target.encode())
        return (seed * 0.0037) % 6.28, (seed * 0.0011) % 1.5

    @property
    def is_calibration(self) -> bool:
        """Whether nothing on the sky was observed."""
        return self.programme.target == "NONE"

    def content(self) -> bytes:
        """Return the whole file: a FITS image of one block of data, compressed."""
        return _content(self)


@cache
def _content(file: File) -> bytes:
    cards = [
        "SIMPLE  =                    T",
        "BITPIX  =                    8",
        "NAXIS   =                    1",
        f"NAXIS1  = {_BLOCK:>20}",
        f"INSTRUME= '{file.programme.instrument}'",
        f"OBJECT  = '{file.programme.target}'",
        f"PROGRAM = '{file.programme.name}'",
        f"DATE-OBS= '{file.start:%Y-%m-%dT%H:%M:%S}'",
        f"RA-DEG  = {degrees(file.position[0]):>20.6f}",
        f"DEC-DEG = {degrees(file.position[1]):>20.6f}",
        "END",
    ]
    header = "".join(card.ljust(80) for card in cards).encode("ascii").ljust(_BLOCK)
    data = bytes((place * 31 + file.number * 7) % 251 for place in range(_BLOCK))
    return gzip.compress(header + data, mtime=0)


def files_of(collection: str) -> Iterator[File]:
    """Give all files of a collection, in the order of its programmes."""
    for programme in PROGRAMMES:
        if programme.collection == collection:
            for number in range(programme.count):
                yield File(programme=programme, number=number)


@cache
def _files() -> dict[tuple[str, str], File]:
    collections = {programme.collection for programme in PROGRAMMES}
    return {(name, file.name): file for name in collections for file in files_of(name)}


def find_file(collection: str, name: str) -> File | None:
    """Return the file at this place, or None."""
    return _files().get((collection, name))
