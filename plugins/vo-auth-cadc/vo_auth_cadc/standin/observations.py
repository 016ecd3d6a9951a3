"""What there is: observations, who may see them, and their files."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["OBSERVATIONS", "Observation"]

_LONG_AGO = datetime(2016, 1, 1, tzinfo=UTC)
_NOT_YET = datetime(2099, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One observation with one plane and one file, in the words of CAOM 2.

    Parameters
    ----------
    collection, observation_id, target
        As in ``caom2.Observation``.
    ra, dec
        Degrees.
    band
        ``energy_emBand``.
    meta_release, data_release
        From when everybody may see the rows, and fetch the file.
    group
        Who may before; empty for nobody who has an account here.
    """

    collection: str
    observation_id: str
    target: str
    ra: float
    dec: float
    band: str
    meta_release: datetime = _LONG_AGO
    data_release: datetime = _LONG_AGO
    group: str = ""

    @property
    def publisher_id(self) -> str:
        """The identifier that DataLink takes."""
        return f"ivo://cadc.nrc.ca/{self.collection}?{self.observation_id}/{self.observation_id}"

    @property
    def file_name(self) -> str:
        """The name of its file."""
        return f"{self.observation_id}.fits"

    @property
    def uri(self) -> str:
        """The identifier of its file in the storage."""
        return f"cadc:{self.collection}/{self.file_name}"

    @property
    def content(self) -> bytes:
        """Its file: a small valid FITS image, the same on every machine."""
        side = 8
        cards = [
            f"{'SIMPLE':<8}= {'T':>20}",
            f"{'BITPIX':<8}= {8:>20}",
            f"{'NAXIS':<8}= {2:>20}",
            f"{'NAXIS1':<8}= {side:>20}",
            f"{'NAXIS2':<8}= {side:>20}",
            f"{'OBJECT':<8}= '{self.target:<8}'",
            f"{'OBSID':<8}= '{self.observation_id:<8}'",
            "END",
        ]
        header = "".join(f"{card:<80}" for card in cards).ljust(2880).encode()
        pixels = hashlib.sha512(self.uri.encode()).digest()[: side * side]
        return header + pixels.ljust(2880, b"\0")

    @property
    def digest(self) -> str:
        """The checksum as the archive's storage sends it: base64 of the hexadecimal form."""
        text = hashlib.md5(self.content, usedforsecurity=False).hexdigest()
        return f"md5={base64.b64encode(text.encode()).decode()}"

    def may_see(self, groups: tuple[str, ...], *, now: float) -> bool:
        """Say whether a member of these groups may see its rows."""
        return self.group in groups or self.meta_release.timestamp() <= now

    def may_fetch(self, groups: tuple[str, ...], *, now: float) -> bool:
        """Say whether a member of these groups may fetch its file."""
        return self.group in groups or self.data_release.timestamp() <= now


_OURS = "JCMT-M26A-Demo"
_FOREIGN = "JCMT-M26A-Others"
OBSERVATIONS = (
    Observation(collection="CFHT", observation_id="700001o", target="M31-A-6", ra=10.68, dec=41.27, band="Optical"),
    Observation(collection="CFHT", observation_id="700002p", target="M31-B-2", ra=10.70, dec=41.30, band="Optical"),
    Observation(
        collection="JCMT",
        observation_id="scuba2_demo_1",
        target="M31-core",
        ra=10.69,
        dec=41.26,
        band="Millimeter",
        data_release=_NOT_YET,
        group=_OURS,
    ),
    Observation(
        collection="JCMT",
        observation_id="scuba2_demo_2",
        target="M31-ring",
        ra=10.66,
        dec=41.28,
        band="Millimeter",
        meta_release=_NOT_YET,
        data_release=_NOT_YET,
        group=_OURS,
    ),
    Observation(
        collection="JCMT",
        observation_id="scuba2_other_1",
        target="M31-arm",
        ra=10.71,
        dec=41.25,
        band="Millimeter",
        meta_release=_NOT_YET,
        data_release=_NOT_YET,
        group=_FOREIGN,
    ),
)
