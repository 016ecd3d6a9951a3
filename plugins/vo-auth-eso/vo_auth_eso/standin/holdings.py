"""The frames of the stand-in: a hundred rows, the same on every machine, made from a short table of sequences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial

from .model import Frame, Run, scatter
from .observatory import COMMISSIONING_RUN, CONFIDENTIAL_RUN, FOREIGN_RUN, PROPRIETARY_RUN, RUNS, SEED_RUN

__all__ = ["Sequence", "frames", "get_frame", "raw_frames"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """Exposures of one kind, one after the other.

    Parameters
    ----------
    prog_id
        The observing run.
    ids
        Identifiers where they are given; otherwise they are made from ``first``, ``count`` and ``step``.
    first, count, step
        Time of the first exposure, how many, and seconds from one to the next.
    category, technique, kind, target, ra, dec, exposure, block, role, level
        As in :class:`~vo_auth_eso.standin.model.Frame`.
    """

    prog_id: str
    ids: tuple[str, ...] = ()
    first: str = ""
    count: int = 0
    step: float = 0.0
    category: str = "SCIENCE"
    technique: str = "IMAGE"
    kind: str = "OBJECT"
    target: str = ""
    ra: float = 0.0
    dec: float = 0.0
    exposure: float = 1.0
    block: int = 0
    role: str = ""
    level: str = "raw"

    def frames(self) -> Iterator[Frame]:
        """Make the frames."""
        run = RUNS[self.prog_id]
        for number, dp_id in enumerate(self.ids or self._made_ids(run), start=1):
            yield Frame(
                dp_id=dp_id, run=run, category=self.category, technique=self.technique, kind=self.kind,
                target=self.target, ra=self.ra, dec=self.dec, exposure=self.exposure, block=self.block, step=number,
                role=self.role, level=self.level,
            )  # fmt: skip

    def _made_ids(self, run: Run) -> Iterator[str]:
        start = datetime.fromisoformat(self.first)
        prefix = {"raw": "", "master": "M.", "product": "ADP."}[self.level]
        name = {"raw": run.instrument.prefix + ".", "master": run.instrument.name + ".", "product": ""}[self.level]
        for index in range(self.count):
            extra = scatter(f"{self.prog_id}{self.first}{index}", 0.0, 0.999)
            at = start + timedelta(seconds=index * self.step + extra)
            yield f"{prefix}{name}{at.isoformat(timespec='milliseconds')}"


_seed = partial(
    Sequence, prog_id=SEED_RUN, technique="IFU", ra=353.75836, dec=1.6143, exposure=64.0, block=1413862,
    role="IFS_SCIENCE_DR_RAW",
)  # fmt: skip
_sphere_calib = partial(Sequence, prog_id="60.A-9255(A)", category="CALIB", technique="IFU")
_sphere_master = partial(_sphere_calib, level="master")
_fors2_calib = partial(Sequence, prog_id="60.A-9203(A)", category="CALIB")
_muse_calib = partial(Sequence, prog_id="60.A-9100(C)", category="CALIB", technique="IFU")
_uves_calib = partial(Sequence, prog_id="60.A-9022(A)", category="CALIB", technique="ECHELLE")

_SEQUENCES = (
    # The seed's frames come first and in its order: its query takes the top two without ORDER BY.
    _seed(
        ids=("SPHER.2016-09-26T04:15:07.252", "SPHER.2016-09-26T04:12:45.603"),
        kind="SKY", target="SKY",
    ),
    _seed(
        ids=("SPHER.2016-09-26T03:04:09.308",),
        kind="OBJECT", target="DEMO-STAR",
    ),
    _seed(
        first="2016-09-26T03:08:11", count=5, step=71.0,
        kind="OBJECT", target="DEMO-STAR",
    ),
    _sphere_calib(
        first="2016-09-26T09:51:20", count=3, step=31.0,
        kind="FLAT,LAMP", target="FLAT,LAMP", exposure=8.0, role="IFS_DETECTOR_FLAT_FIELD_RAW",
    ),
    _sphere_calib(
        first="2016-09-26T10:12:02", count=2, step=64.0,
        kind="WAVE,LAMP", target="WAVE,LAMP", exposure=16.0, role="IFS_WAVECALIB_RAW",
    ),
    _sphere_calib(
        first="2016-09-26T11:40:45", count=4, step=90.0,
        kind="DARK", target="DARK", exposure=64.0, role="IFS_DARK_RAW",
    ),
    _sphere_master(
        ids=("M.SPHERE.2016-09-27T08:14:42.823",),
        kind="DARK", target="DARK", exposure=64.0, role="IFS_MASTER_DARK",
    ),
    _sphere_master(
        first="2016-09-27T08:21:09", count=1,
        kind="WAVE,LAMP", target="WAVE,LAMP", exposure=16.0, role="IFS_WAVECALIB",
    ),
    _sphere_master(
        first="2016-09-27T08:33:51", count=2, step=240.0,
        kind="FLAT,LAMP", target="FLAT,LAMP", exposure=8.0, role="IFS_MASTER_DFF",
    ),
    Sequence(
        prog_id="110.A-1101(A)", first="2022-11-02T01:14:00", count=12, step=330.0,
        target="DEMO-CLUSTER", ra=10.4621, dec=-27.1183, exposure=300.0, block=3301101,
        role="SCIENCE_IMG",
    ),
    _fors2_calib(
        first="2022-11-02T09:11:00", count=5, step=23.0,
        kind="BIAS", target="BIAS", exposure=0.0, role="BIAS",
    ),
    _fors2_calib(
        first="2022-11-01T23:31:00", count=5, step=50.0,
        kind="FLAT,SKY", target="FLAT,SKY", exposure=4.0, role="SKY_FLAT_IMG",
    ),
    _fors2_calib(
        first="2022-11-02T00:21:00", count=2, step=61.0, kind="STD",
        target="DEMO-STANDARD", ra=14.0213, dec=-28.5127, exposure=2.0, role="STANDARD_IMG",
    ),
    Sequence(
        prog_id="108.B-1202(A)", first="2021-12-14T02:40:00", count=10, step=660.0, technique="IFU",
        target="DEMO-GALAXY", ra=40.1004, dec=-8.4339, exposure=600.0, block=3108120, role="OBJECT",
    ),
    _muse_calib(
        first="2021-12-14T10:30:00", count=5, step=40.0,
        kind="FLAT,LAMP", target="FLAT,LAMP", exposure=1.0, role="FLAT",
    ),
    _muse_calib(
        first="2021-12-14T10:50:00", count=3, step=70.0,
        kind="WAVE", target="WAVE", exposure=3.0, role="ARC",
    ),
    _muse_calib(
        first="2021-12-15T12:11:00", count=1, level="master",
        kind="FLAT,LAMP", target="FLAT,LAMP", exposure=1.0, role="MASTER_FLAT",
    ),
    Sequence(
        prog_id="109.D-1303(B)", first="2022-05-19T03:05:00", count=10, step=1830.0,
        technique="ECHELLE", target="DEMO-OLD-STAR", ra=201.7733, dec=-47.5121, exposure=1800.0,
        block=3109130, role="SCI_POINT_BLUE",
    ),
    _uves_calib(
        first="2022-05-19T11:02:00", count=3, step=45.0,
        kind="BIAS", target="BIAS", exposure=0.0, role="BIAS_BLUE",
    ),
    _uves_calib(
        first="2022-05-19T11:30:00", count=3, step=45.0,
        kind="LAMP,WAVE", target="LAMP,WAVE", exposure=30.0, role="ARC_LAMP_BLUE",
    ),
    _uves_calib(
        first="2022-05-20T09:00:00", count=1, level="master",
        kind="BIAS", target="BIAS", exposure=0.0, role="MASTER_BIAS_BLUE",
    ),
    Sequence(
        prog_id="112.C-1404(C)", first="2023-10-11T05:20:00", count=12, step=930.0,
        technique="ECHELLE", kind="STAR,WAVE", target="DEMO-QUIET-STAR", ra=85.1894, dec=-20.1442,
        exposure=900.0, block=3112140, role="STAR",
    ),
    Sequence(
        prog_id=PROPRIETARY_RUN, first="2026-10-03T02:11:00", count=8, step=660.0, technique="IFU",
        target="DEMO-FIELD", ra=53.1625, dec=-27.7914, exposure=600.0, block=4118200, role="OBJECT",
    ),
    Sequence(
        prog_id=FOREIGN_RUN, first="2026-10-05T04:44:00", count=6, step=930.0, technique="ECHELLE",
        target="DEMO-OTHER", ra=24.2708, dec=-33.4021, exposure=900.0, block=4118300,
        role="SCIENCE_OFFSET_VIS",
    ),
    Sequence(
        prog_id=CONFIDENTIAL_RUN, first="2026-10-07T01:03:00", count=5, step=1830.0,
        technique="ECHELLE", target="DEMO-SECRET", ra=313.9062, dec=-12.0045, exposure=1800.0,
        block=4118400, role="SCI_POINT_BLUE",
    ),
    Sequence(
        prog_id=COMMISSIONING_RUN, first="2026-10-09T02:30:00", count=6, step=400.0,
        technique="ECHELLE,MOS", target="DEMO-COMMISSIONING", ra=344.4128, dec=-29.6222,
        exposure=300.0, block=4609700, role="OBJECT",
    ),
    Sequence(
        prog_id=COMMISSIONING_RUN, first="2026-10-09T10:15:00", count=4, step=50.0, category="CALIB",
        technique="ECHELLE,MOS", kind="FLAT,LAMP", target="FLAT,LAMP", exposure=5.0, role="FLAT",
    ),
    Sequence(
        prog_id=SEED_RUN, first="2017-03-02T10:04:00", count=2, step=60.0, technique="IFU",
        kind="OBJECT", target="DEMO-STAR", ra=353.75836, dec=1.6143, exposure=384.0,
        block=1413862, role="SCIENCE.CUBE.IFS", level="product",
    ),
    Sequence(
        prog_id="110.A-1101(A)", first="2023-01-20T12:30:00", count=4, step=60.0,
        target="DEMO-CLUSTER", ra=10.4621, dec=-27.1183, exposure=3600.0, block=3301101,
        role="SCIENCE.IMAGE", level="product",
    ),
    Sequence(
        prog_id="108.B-1202(A)", first="2022-03-09T08:11:00", count=3, step=60.0, technique="IFU",
        target="DEMO-GALAXY", ra=40.1004, dec=-8.4339, exposure=6000.0, block=3108120,
        role="SCIENCE.CUBE.IFS", level="product",
    ),
    Sequence(
        prog_id="112.C-1404(C)", first="2024-01-15T16:20:00", count=6, step=60.0, technique="ECHELLE",
        kind="STAR,WAVE", target="DEMO-QUIET-STAR", ra=85.1894, dec=-20.1442, exposure=900.0,
        block=3112140, role="SCIENCE.SPECTRUM", level="product",
    ),
    Sequence(
        prog_id=PROPRIETARY_RUN, first="2026-10-20T09:12:00", count=2, step=60.0, technique="IFU",
        target="DEMO-FIELD", ra=53.1625, dec=-27.7914, exposure=4800.0, block=4118200,
        role="SCIENCE.CUBE.IFS", level="product",
    ),
)  # fmt: skip


@cache
def _by_id() -> dict[str, Frame]:
    return {frame.dp_id: frame for sequence in _SEQUENCES for frame in sequence.frames()}


def frames(*, level: str | None = None) -> tuple[Frame, ...]:
    """Return the frames of the archive in its own order.

    Parameters
    ----------
    level
        Only ``raw``, ``master`` or ``product`` files; None means all.

    Returns
    -------
    tuple of Frame
        Protected ones too: what a user may know is decided in :mod:`~vo_auth_eso.standin.rights`.
    """
    return tuple(frame for frame in _by_id().values() if level in (None, frame.level))


def get_frame(dp_id: str) -> Frame:
    """Return the frame of an identifier.

    Parameters
    ----------
    dp_id
        The archive's identifier.

    Returns
    -------
    Frame
        The frame.

    Raises
    ------
    KeyError
        If the archive has no such frame.
    """
    return _by_id()[dp_id]


def raw_frames(prog_id: str, *, role: str = "") -> tuple[Frame, ...]:
    """Return the raw frames of a run.

    Parameters
    ----------
    prog_id
        The run.
    role
        Only frames of this role; empty means all.

    Returns
    -------
    tuple of Frame
        In the archive's order.
    """
    return tuple(frame for frame in frames(level="raw") if frame.run.prog_id == prog_id and role in ("", frame.role))
