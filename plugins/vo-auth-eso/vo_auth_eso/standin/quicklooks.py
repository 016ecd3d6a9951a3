"""Quick-look products of APEX: small archives that are files under another kind of name."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

__all__ = ["QUICKLOOKS", "Quicklook"]

_PORTAL = "https://dataportal.eso.org/dataPortal/file/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quicklook:
    """One night's quick looks of one project.

    Parameters
    ----------
    project
        As APEX writes it: ``E-110.F-9601A-2022``.
    prog_id
        The same as ESO writes it.
    night
        The date on which they were made.
    title
        Of the programme.
    """

    project: str
    prog_id: str
    night: datetime
    title: str

    @property
    def name(self) -> str:
        """The identifier, which is also the file's name."""
        return f"{self.project.rpartition('-')[0]}.{self.night:%Y%b%d}.TAR".upper()

    def row(self) -> dict[str, Any]:
        """Return the row of ``ist.apex_quicklooks``."""
        return {
            "access_estsize": -(-len(self.make_file()) // 1024),
            "access_url": f"{_PORTAL}{self.name}",
            "instrument": "APEXHET",
            "instrument_type": "Heterodyne",
            "partner": "ESO",
            "pi_coi": "DEMO, SOMEBODY",
            "prog_id": self.prog_id,
            "prog_title": self.title,
            "prog_type": "Normal",
            "project_id": self.project,
            "quicklook_id": self.name,
            "release_date": f"{self.night:%Y-%m-%dT%H:%M:%S}.000Z",
        }

    def make_file(self) -> bytes:
        """Return the archive, the same bytes each time."""
        text = f"Quick look of {self.project}, {self.night:%Y-%m-%d}\n".encode()
        member = tarfile.TarInfo(f"{self.name.removesuffix('.TAR')}/README")
        member.size, member.mtime = len(text), int(self.night.timestamp())
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as archive:
            archive.addfile(member, io.BytesIO(text))
        return file.getvalue()


QUICKLOOKS = {
    quicklook.name: quicklook
    for quicklook in (
        Quicklook(
            project=f"E-{run}{part}-2022",
            prog_id=f"{run}({part})",
            night=datetime(2022, 8, day, tzinfo=UTC),
            title="GAS IN A NEARBY CLOUD",
        )
        for run, part, day in (("110.F-9601", "A", 4), ("110.F-9601", "A", 5), ("110.F-9602", "B", 9))
    )
}
"""All of them, by name; all are public."""
