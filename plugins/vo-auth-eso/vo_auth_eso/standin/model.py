"""What the stand-in's archive is made of: instruments, observing runs, frames, users."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zlib import crc32

__all__ = ["Frame", "Instrument", "Run", "User", "scatter"]


def scatter(key: str, low: float, high: float) -> float:
    """Return a number between two bounds that depends on the key alone: the data are the same on every machine."""
    return low + (high - low) * crc32(key.encode()) / 2**32


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One instrument.

    Parameters
    ----------
    name
        As in ``dbo.raw``.
    prefix
        First part of its ``dp_id``.
    telescope, chip
        As in ``dbo.raw``.
    template, template_name
        Observing template of its science frames.
    lambda_min, lambda_max
        Wavelength range in nanometres.
    """

    name: str
    prefix: str
    telescope: str
    chip: str
    template: str
    template_name: str
    lambda_min: float
    lambda_max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One observing run, the unit to which ESO ties access rights.

    Parameters
    ----------
    prog_id
        The run's identifier, as in ``dbo.raw.prog_id``.
    instrument
        Its instrument.
    title, pi_coi
        As in ``dbo.raw``.
    kind
        The archive's programme type: 0 normal, 3 guaranteed time, 6 technical.
    proprietary
        The files of its science frames are not public yet.
    confidential
        Neither its files nor its metadata are public: only entitled users learn that its frames exist.
    """

    prog_id: str
    instrument: Instrument
    title: str
    pi_coi: str
    kind: int = 0
    proprietary: bool = False
    confidential: bool = False

    @property
    def period(self) -> int:
        """The observing period, first part of the identifier."""
        return int(self.prog_id.partition(".")[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One file of the archive: raw, processed calibration or science product.

    Parameters
    ----------
    dp_id
        The archive's identifier; its last part is the time of the exposure (of the processing, for processed files).
    run
        The observing run that it belongs to.
    category, technique, kind
        ``dp_cat``, ``dp_tech``, ``dp_type``.
    target
        Name of what was observed.
    ra, dec
        Position in degrees.
    exposure
        Seconds.
    block
        Number of the observation block; 0 for daytime calibrations.
    step
        Number of the exposure in its template, from 1.
    role
        The pipeline's name for such a file (``eso_category``).
    level
        ``raw``, ``master`` (processed calibration) or ``product`` (science product).
    """

    dp_id: str
    run: Run
    category: str
    technique: str
    kind: str
    target: str
    ra: float
    dec: float
    exposure: float
    block: int = 0
    step: int = 1
    role: str = ""
    level: str = "raw"
    start: datetime = field(init=False)

    def __post_init__(self) -> None:
        stamp = self.dp_id[-len("2016-09-26T04:15:07.252") :]
        object.__setattr__(self, "start", datetime.fromisoformat(stamp).replace(tzinfo=UTC))

    @property
    def ivoid(self) -> str:
        """The IVOA identifier that DataLink takes."""
        return f"ivo://eso.org/ID?{self.dp_id}"

    @property
    def night(self) -> str:
        """The date on which the night began."""
        return (self.start - timedelta(hours=12)).date().isoformat()

    @property
    def release(self) -> datetime:
        """When the file becomes public.

        A year after the exposure; at once for calibrations. Runs under proprietary period have a date that does not
        come, so that the frames stay the same and stay protected whenever the stand-in is started.
        """
        if self.category == "CALIB":
            return self.start
        if self.run.proprietary or self.run.confidential:
            return datetime(2099, 10, 1, tzinfo=UTC)
        return self.start + timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One registered user.

    Parameters
    ----------
    username, password
        Obviously fake.
    runs
        Runs whose principal investigator (or delegate) this user is.
    instruments
        Instruments whose team this user is in: all their files are open to the team.
    """

    username: str
    password: str
    runs: frozenset[str] = frozenset()
    instruments: frozenset[str] = frozenset()
