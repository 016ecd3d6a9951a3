"""Rows of the archive's tables, made from its frames."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from .content import estimated_size, modified_julian_date, original_name
from .model import Frame, scatter
from .products import FIELD, find_geometry
from .sky import ecliptic, galactic

__all__ = ["DATALINK", "PORTAL", "datalink_url", "file_url", "obscore_row", "raw_row"]

DATALINK = "archive.eso.org/datalink/links"
PORTAL = "https://dataportal.eso.org"

# ESO's notebook on authentication prints this record: it is kept to the letter.
_PRINTED = {
    "SPHER.2016-09-26T04:15:07.252": {
        "date_obs": "2016-09-26T04:15:07.2524",
        "det_ndit": 2,
        "ecl_lat": 3.960941,
        "ecl_lon": 185.089795,
        "exp_start": "2016-09-26T04:15:07.253Z",
        "exposure": 64.0,
        "gal_lat": -55.874158,
        "gal_lon": 87.265553,
        "last_mod_date": "2016-09-26T04:25:47.533Z",
    }
}


def datalink_url(frame: Frame, *, scheme: str = "https") -> str:
    """Return the DataLink address of a frame, as the archive writes it."""
    return f"{scheme}://{DATALINK}?ID={frame.ivoid}"


def file_url(frame: Frame) -> str:
    """Return the address that downloads a frame."""
    return f"{PORTAL}/dataPortal/file/{quote(frame.dp_id, safe=':')}"


def raw_row(frame: Frame) -> dict[str, Any]:
    """Return the row of ``dbo.raw``.

    Parameters
    ----------
    frame
        A raw frame.

    Returns
    -------
    dict
        Values by column name; columns that are missing are NULL.
    """
    return {
        "access_estsize": -(-estimated_size(frame) // 1024),
        "access_url": file_url(frame),
        "datalink_url": datalink_url(frame, scheme="http"),
        **_observation(frame),
        **_positions(frame),
        **_setup(frame),
        **_conditions(frame),
        **_PRINTED.get(frame.dp_id, {}),
    }


def _observation(frame: Frame) -> dict[str, Any]:
    run = frame.run
    return {
        "date_obs": f"{frame.start:%Y-%m-%dT%H:%M:%S.%f}"[:-2],
        "dp_cat": frame.category,
        "dp_id": frame.dp_id,
        "dp_tech": frame.technique,
        "dp_type": frame.kind,
        "exp_start": _stamp(frame.start),
        "exposure": frame.exposure,
        "last_mod_date": _stamp(frame.start + timedelta(minutes=10)),
        "mjd_obs": modified_julian_date(frame),
        "ob_id": frame.block or None,
        "ob_name": f"{frame.target}_{frame.block}" if frame.block else None,
        "object": frame.target,
        "obs_mode": "s",
        "origfile": original_name(frame),
        "period": run.period,
        "pi_coi": run.pi_coi,
        "prog_id": run.prog_id,
        "prog_title": run.title,
        "prog_type": run.kind,
        "release_date": _stamp(frame.release),
        "target": frame.target,
    }


def _positions(frame: Frame) -> dict[str, Any]:
    on_sky = (frame.ra, frame.dec) != (0.0, 0.0)
    if not on_sky:
        return {}
    (gal_lon, gal_lat), (ecl_lon, ecl_lat) = galactic(frame.ra, frame.dec), ecliptic(frame.ra, frame.dec)
    return {
        "dec": frame.dec,
        "dec_pnt": frame.dec,
        "ecl_lat": ecl_lat,
        "ecl_lon": ecl_lon,
        "gal_lat": gal_lat,
        "gal_lon": gal_lon,
        "ra": frame.ra,
        "ra_pnt": frame.ra,
        "s_region": f"POSITION J2000 {frame.ra} {frame.dec}",
    }


def _setup(frame: Frame) -> dict[str, Any]:
    instrument = frame.run.instrument
    return {
        "det_chip1id": instrument.chip,
        "det_ndit": 1,
        "filter_path": "",
        "grat_path": "",
        "gris_path": "",
        "ins_mode": "",
        "instrument": instrument.name,
        "lambda_max": instrument.lambda_max,
        "lambda_min": instrument.lambda_min,
        "slit_path": "",
        "telescope": instrument.telescope,
        "tpl_expno": frame.step,
        "tpl_id": instrument.template,
        "tpl_name": instrument.template_name,
        "tpl_nexp": 12,
        "tpl_seqno": 2,
        "tpl_start": f"{frame.start - timedelta(seconds=15):%Y-%m-%dT%H:%M:%S}",
    }


def _conditions(frame: Frame) -> dict[str, Any]:
    if not frame.block:  # a calibration in daytime
        return {}

    def some(name: str, low: float, high: float) -> float:
        return round(scatter(frame.dp_id + name, low, high), 3)

    airmass = some("airmass", 1.0, 1.7)
    return {
        "tel_airm_end": round(airmass + 0.02, 3),
        "tel_airm_start": airmass,
        "tel_alt": some("alt", 35.0, 85.0),
        "tel_ambi_fwhm_end": some("seeing2", 0.5, 1.5),
        "tel_ambi_fwhm_start": some("seeing", 0.5, 1.5),
        "tel_ambi_pres_end": some("pressure2", 742.0, 746.0),
        "tel_ambi_pres_start": some("pressure", 742.0, 746.0),
        "tel_ambi_rhum": some("humidity", 4.0, 40.0),
        "tel_az": some("az", 0.0, 360.0),
    }


def obscore_row(frame: Frame) -> dict[str, Any]:
    """Return the row of ``ivoa.ObsCore``.

    Parameters
    ----------
    frame
        A science product.

    Returns
    -------
    dict
        Values by column name; columns that are missing are NULL.
    """
    start = modified_julian_date(frame)
    end = start + frame.exposure / 86400
    return {
        "access_estsize": -(-estimated_size(frame) // 1024),
        "access_format": "application/x-votable+xml;content=datalink",
        "access_url": datalink_url(frame, scheme="http"),
        "calib_level": 2,
        "dp_id": frame.dp_id,
        "last_mod_date": _stamp(frame.start + timedelta(days=1)),
        "multi_ob": "S",
        "n_obs": 1,
        "o_calib_status": "absolute",
        "obs_collection": frame.run.instrument.name,
        "obs_creator_did": f"ivo://eso.org/origfile?{original_name(frame)}",
        "obs_creator_name": frame.run.pi_coi.partition("/")[0],
        "obs_id": str(frame.block),
        "obs_publisher_did": frame.ivoid,
        "obs_release_date": _stamp(frame.release),
        "obs_title": frame.run.title,
        "obstech": frame.technique,
        "p3orig": "IDP",
        "preview_html": f"https://archive.eso.org/dataset/{frame.dp_id}",
        "proposal_id": frame.run.prog_id,
        "publication_date": _stamp(frame.start + timedelta(days=30)),
        "snr": round(scatter(frame.dp_id, 5.0, 90.0), 1),
        "t_exptime": frame.exposure,
        "t_max": round(end, 8),
        "t_min": start,
        "target_name": frame.target,
        **_coverage(frame),
    }


def _coverage(frame: Frame) -> dict[str, Any]:
    instrument, geometry = frame.run.instrument, find_geometry(frame)
    if geometry is None:
        raise ValueError(f"{frame.dp_id} is no science product")
    gal_lon, gal_lat = galactic(frame.ra, frame.dec)
    outline = " ".join(f"{value:.6f}" for value in geometry.footprint(frame))
    return {
        "dataproduct_type": geometry.kind,
        "em_max": instrument.lambda_max * 1e-9,
        "em_min": instrument.lambda_min * 1e-9,
        "em_xel": geometry.channels or 1,
        "facility_name": instrument.telescope,
        "gal_lat": gal_lat,
        "gal_lon": gal_lon,
        "instrument_name": instrument.name,
        "s_dec": frame.dec,
        "s_fov": FIELD,
        "s_pixel_scale": round(FIELD / geometry.side * 3600, 6) if geometry.side else None,
        "s_ra": frame.ra,
        "s_region": f"POLYGON J2000 {outline}" if outline else f"POSITION J2000 {frame.ra} {frame.dec}",
        "s_resolution": 0.8,
        "s_xel1": geometry.side or None,
        "s_xel2": geometry.side or None,
        "t_xel": 1,
    }


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
