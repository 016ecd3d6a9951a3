"""The TAP services: ``tng`` and ``projects``.

The names of tables and columns are those that public programs query; what else real tables have is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import degrees
from typing import Any

from aiohttp import web

from vo_auth.sandbox import Bench
from vo_auth.sandbox.datalink import DATALINK_TYPE
from vo_auth.sandbox.tap import Column, Table, TapService, TapSettings
from vo_auth.sandbox.tokens import TokenError

from .datalink import datalink_url
from .groups import Groups
from .holdings import PROGRAMMES, File, files_of
from .issuer import Issuer, bearer_of
from .places import TAP_PATH

__all__ = ["make_taps"]

# name | datatype | unit | ucd | description
_TNG = """
id | int | | meta.id;meta.main | Number of the row
EXP_ID | char | | meta.id | Identifier of the exposure
policy | char | | meta.code | FREE for public files
DATE_OBS | char | | time.start;obs.exposure | Start of the exposure
OBS_MODE | char | | meta.code | SCIENCE, or what kind of calibration
INSTRUMENT | char | | meta.id;instr | Instrument
PROGRAM | char | | meta.id;obs.proposal | Observing programme
OBJECT | char | | meta.id;src | Target
RA | char | | pos.eq.ra | Right ascension, sexagesimal hours
DEC | char | | pos.eq.dec | Declination, sexagesimal degrees
RA_RAD | double | rad | pos.eq.ra;meta.main | Right ascension
DEC_RAD | double | rad | pos.eq.dec;meta.main | Declination
file_url | char | | meta.ref.url | Where the file is
"""
_HARPN = """
EXP_ID | char | | meta.id | Identifier of the exposure
FILE_TYPE | char | | meta.code | raw or reduced
FILE_TYPE_REDUCED | char | | meta.code | Kind of reduced file
"""
_OBSCORE = """
obs_publisher_did | char | | meta.ref.ivoid | Identifier of the dataset
obs_collection | char | | meta.id | Collection
obs_id | char | | meta.id | Identifier of the exposure
proposal_id | char | | meta.id;obs.proposal | Observing programme
target_name | char | | meta.id;src | Target
s_ra | double | deg | pos.eq.ra | Right ascension
s_dec | double | deg | pos.eq.dec | Declination
instrument_name | char | | meta.id;instr | Instrument
access_url | char | | meta.ref.url | Where the file is
access_format | char | | meta.code.mime | What is there
policy | char | | meta.code | FREE for public files
"""
_EXOMERCAT = """
exomercat_name | char | | meta.id;meta.main | Name of the planet
main_id | char | | meta.id | Name at SIMBAD
host | char | | meta.id | Name of the star
binary | char | | meta.code | Component of a multiple star
letter | char | | meta.id.part | Letter of the planet
"""


def make_taps(bench: Bench, issuer: Issuer, groups: Groups) -> Iterator[TapService]:
    """Make the services for one sandbox.

    Parameters
    ----------
    bench
        Knobs: ``private_rows`` (False: all metadata are public, as at IA2; True: the rows of a private programme are
        for its group alone), ``tap_bad_token`` (``refuse``: 401; ``anonymous``: as if there were none; UNVERIFIED),
        ``datalink`` (False; True: the tables publish DataLink addresses instead of files'; read when the sandbox
        starts), ``x_vo_authenticated`` (False; True: authenticated answers carry that header), ``job_seconds``
        (seconds that a job takes at least).
    issuer, groups
        Who asks, and what may they see.

    Yields
    ------
    TapService
    """
    sender = _Sender(bench, issuer)
    for name, tables in _contents(bench, groups).items():
        settings = TapSettings(
            base_path=f"{TAP_PATH}/{name}",
            title=f"IA2 TAP: {name}",
            minimum_seconds=lambda: float(bench.knob("job_seconds", 0.0)),
        )
        yield TapService(
            tables=tables, settings=settings, identify=sender.identify, headers=sender.headers, clock=bench.now
        )


def _contents(bench: Bench, groups: Groups) -> dict[str, tuple[Table, ...]]:
    linked = bool(bench.knob("datalink", False))
    tng, lbt = list(files_of("tng")), list(files_of("lbt"))
    return {
        "tng": (
            Table(
                name="tng.TNG_TAP",
                columns=_columns(_TNG),
                rows=[_tng_row(number, file, linked=linked) for number, file in enumerate(tng, start=1)],
                description="All files of the telescope",
                rights=_rights(bench, groups, column="PROGRAM"),
            ),
            Table(
                name="tng.harpn",
                columns=_columns(_HARPN),
                rows=[_harpn_row(file) for file in tng if file.programme.instrument == "HARPN"],
                description="What is particular to HARPS-N",
            ),
        ),
        "projects": (
            Table(
                name="exomercat.exomercat",
                columns=_columns(_EXOMERCAT),
                rows=[_planet(letter) for letter in "bcdefg"],
                description="Planets; the rows here are invented",
            ),
            Table(
                name="ivoa.ObsCore",
                columns=_columns(_OBSCORE),
                rows=[_obscore_row(file, linked=linked) for file in lbt],
                description="Files of a project with a programme that is private",
                rights=_rights(bench, groups, column="proposal_id"),
            ),
        ),
    }


class _Sender:
    """Tell who sends a request to a TAP service."""

    def __init__(self, bench: Bench, issuer: Issuer) -> None:
        self._bench = bench
        self._issuer = issuer

    def identify(self, request: web.Request) -> str | None:
        """Return the ``sub`` of a request's token; None for the anonymous."""
        token = bearer_of(request) if request.scheme == "https" else ""
        if not token:
            return None
        try:
            return str(self._issuer.claims(token, "tap")["sub"])
        except TokenError:
            if self._bench.knob("tap_bad_token", "refuse") == "anonymous":
                return None
            headers = {"WWW-Authenticate": 'Bearer realm="ia2", error="invalid_token"'}
            raise web.HTTPUnauthorized(text="The token is not accepted.\n", headers=headers) from None

    def headers(self, _request: web.Request, user: str | None) -> dict[str, str]:
        """Return AuthVO's header, where it is wanted."""
        return {"X-VO-Authenticated": user} if user and self._bench.knob("x_vo_authenticated", False) else {}


def _rights(bench: Bench, groups: Groups, *, column: str) -> Callable[[str | None], tuple[str, tuple[str, ...]]]:
    def visible(subject: str | None) -> tuple[str, tuple[str, ...]]:
        if not bench.knob("private_rows", False):
            return "1 = 1", ()
        own = (groups.known(subject) if subject else None) or ()
        hidden = tuple(one.name for one in PROGRAMMES if one.group and one.group not in own)
        return f"{column} NOT IN ({', '.join('?' * len(hidden))})", hidden

    return visible


def _columns(text: str) -> tuple[Column, ...]:
    lines = ([part.strip() for part in line.split("|")] for line in text.strip().splitlines())
    return tuple(
        Column(name=name, datatype=datatype, unit=unit, ucd=ucd, description=description)
        for name, datatype, unit, ucd, description in lines
    )


def _address(file: File, *, linked: bool) -> str:
    return datalink_url(file) if linked else file.url


def _tng_row(number: int, file: File, *, linked: bool) -> dict[str, Any]:
    ra, dec = file.position
    return {
        "id": number,
        "EXP_ID": file.exposure,
        "policy": file.programme.policy,
        "DATE_OBS": f"{file.start:%Y-%m-%dT%H:%M:%S}.000",
        "OBS_MODE": "CALIB" if file.is_calibration else "SCIENCE",
        "INSTRUMENT": file.programme.instrument,
        "PROGRAM": file.programme.name,
        "OBJECT": file.programme.target,
        "RA": _sexagesimal(degrees(ra) / 15),
        "DEC": _sexagesimal(degrees(dec)),
        "RA_RAD": ra,
        "DEC_RAD": dec,
        "file_url": _address(file, linked=linked),
    }


def _harpn_row(file: File) -> dict[str, Any]:
    return {"EXP_ID": file.exposure, "FILE_TYPE": "reduced", "FILE_TYPE_REDUCED": "s1d_fluxcal"}


def _obscore_row(file: File, *, linked: bool) -> dict[str, Any]:
    ra, dec = file.position
    return {
        "obs_publisher_did": file.identifier,
        "obs_collection": "LBT",
        "obs_id": file.exposure,
        "proposal_id": file.programme.name,
        "target_name": file.programme.target,
        "s_ra": degrees(ra),
        "s_dec": degrees(dec),
        "instrument_name": file.programme.instrument,
        "access_url": _address(file, linked=linked),
        "access_format": DATALINK_TYPE if linked else "application/gzip",
        "policy": file.programme.policy,
    }


def _planet(letter: str) -> dict[str, Any]:
    host = "DEMO-999"
    return {"exomercat_name": f"{host} {letter}", "main_id": f"{host} {letter}", "host": host, "letter": letter}


def _sexagesimal(value: float) -> str:
    minutes, seconds = divmod(value * 3600, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours:02}:{minutes:02}:{seconds:06.3f}"
