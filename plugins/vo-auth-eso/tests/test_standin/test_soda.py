"""Cutouts: described in DataLink, made by SODA, for those who may have the file."""

from __future__ import annotations

import io

import numpy as np
import pytest
import pyvo
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from pyvo.dal.adhoc import SODA_SYNC_IVOID, DatalinkResults, SodaQuery

from vo_auth_eso.standin import PROPRIETARY_RUN, STANDIN
from vo_auth_eso.standin.content import make_fits
from vo_auth_eso.standin.holdings import frames, get_frame

URL = "https://dataportal.eso.org/dataPortal/soda/sync"
LINKS = "https://archive.eso.org/datalink/links?ID=ivo://eso.org/ID?"
TAP_URL = "https://archive.eso.org/tap_obs"
PRODUCTS = frames(level="product")
IMAGE = next(frame for frame in PRODUCTS if frame.role == "SCIENCE.IMAGE")
CUBE = next(frame for frame in PRODUCTS if frame.role == "SCIENCE.CUBE.IFS")
SPECTRUM = next(frame for frame in PRODUCTS if frame.role == "SCIENCE.SPECTRUM")
PROTECTED = next(frame for frame in PRODUCTS if frame.run.prog_id == PROPRIETARY_RUN)
SEED = get_frame("SPHER.2016-09-26T04:15:07.252")


def ask(session, frame, **filters):
    return session.get(URL, params={"ID": frame.ivoid, **filters}, timeout=20)


def around(frame, radius, east=0.0, north=0.0):
    """A circle whose centre lies so many degrees from that of the field."""
    middle = SkyCoord(frame.ra, frame.dec, unit="deg").spherical_offsets_by(east * u.deg, north * u.deg)
    return f"{middle.ra.deg} {middle.dec.deg} {radius}"


def read(data):
    with fits.open(io.BytesIO(data)) as hdus:
        hdus.verify("exception")
        return hdus[0].data, hdus[0].header


def original(frame):
    return read(make_fits(frame))


def assert_part_of(frame, data):
    """The pixels of a cutout are those that the whole file has at the same place in the world."""
    (part, header), (whole, full) = read(data), original(frame)
    last = np.array(part.shape)[::-1] - 1
    for corner in ([0] * part.ndim, last):
        world = WCS(header).wcs_pix2world([corner], 0)
        place = tuple(round(value) for value in WCS(full).wcs_world2pix(world, 0)[0][::-1])
        assert part[tuple(reversed(list(corner)))] == whole[place]
    offset = [round(full[f"CRPIX{axis}"] - header[f"CRPIX{axis}"]) for axis in range(part.ndim, 0, -1)]
    wanted = tuple(slice(start, start + size) for start, size in zip(offset, part.shape, strict=True))
    assert (whole[wanted] == part).all()
    return part


@pytest.mark.parametrize("frame", [IMAGE, CUBE], ids=["image", "cube"])
def test_a_circle_cuts_its_pixels_out_of_the_field(session, frame):
    answer = ask(session(), frame, CIRCLE=around(frame, 0.003, 0.002, -0.001))
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/fits")
    assert f'filename="{frame.dp_id}_cutout.fits"' in answer.headers["Content-Disposition"]
    assert len(answer.content) < len(make_fits(frame))
    part = assert_part_of(frame, answer.content)
    scale = 0.02 / original(frame)[0].shape[-1]
    assert part.shape[-2:] == pytest.approx((0.006 / scale, 0.006 / scale), abs=1)
    centre = WCS(read(answer.content)[1]).celestial.wcs_pix2world([(np.array(part.shape[:-3:-1]) - 1) / 2], 0)[0]
    wanted = SkyCoord(frame.ra, frame.dec, unit="deg").spherical_offsets_by(0.002 * u.deg, -0.001 * u.deg)
    assert SkyCoord(*centre, unit="deg").separation(wanted).deg < scale


def test_a_region_smaller_than_a_pixel_gives_that_pixel(session):
    answer = ask(session(), IMAGE, CIRCLE=around(IMAGE, 1e-6, 0.004, 0.004))
    assert assert_part_of(IMAGE, answer.content).shape == (1, 1)


def test_a_region_over_the_edge_is_cut_at_the_edge(session):
    answer = ask(session(), IMAGE, CIRCLE=around(IMAGE, 0.003, 0.01, 0.01))
    part = assert_part_of(IMAGE, answer.content)
    assert 5 <= part.shape[0] <= 12


def test_the_same_region_may_be_sent_as_pos_range_and_polygon(session):
    middle, half = SkyCoord(IMAGE.ra, IMAGE.dec, unit="deg"), 0.004
    east, west = (middle.spherical_offsets_by(sign * half * u.deg, 0 * u.deg).ra.deg for sign in (1, -1))
    south, north = IMAGE.dec - half, IMAGE.dec + half
    circle = ask(session(), IMAGE, CIRCLE=around(IMAGE, half))
    for filters in (
        {"POS": f"CIRCLE {around(IMAGE, half)}"},
        {"POS": f"RANGE {west} {east} {south} {north}"},
        {"POLYGON": f"{west} {south} {west} {north} {east} {north} {east} {south}"},
        {"pos": f"POLYGON {west} {south} {west} {north} {east} {north} {east} {south}"},
    ):
        answer = ask(session(), IMAGE, **filters)
        assert answer.status_code == 200, answer.text
        part = assert_part_of(IMAGE, answer.content)
        assert part.shape == pytest.approx(read(circle.content)[0].shape, abs=1)


@pytest.mark.parametrize("frame", [CUBE, SPECTRUM], ids=["cube", "spectrum"])
def test_a_band_cuts_channels(session, frame):
    low, high = (frame.run.instrument.lambda_min * 1e-9, frame.run.instrument.lambda_max * 1e-9)
    middle, width = (low + high) / 2, (high - low) / 7  # it begins and ends inside of channels
    answer = ask(session(), frame, BAND=f"{middle - width} {middle + width}")
    part = assert_part_of(frame, answer.content)
    channels = original(frame)[0].shape[0]
    assert part.shape[0] == pytest.approx(channels * 2 / 7, abs=2)
    assert part.shape[1:] == original(frame)[0].shape[1:]
    edges = WCS(read(answer.content)[1]).spectral.wcs_pix2world([[-0.5], [part.shape[0] - 0.5]], 0).ravel()
    assert edges[0] <= middle - width < middle + width <= edges[1]


def test_a_band_may_be_open_at_one_end(session):
    low = CUBE.run.instrument.lambda_min * 1e-9
    part = assert_part_of(CUBE, ask(session(), CUBE, BAND=f"-Inf {low}").content)
    assert part.shape[0] == 1
    assert ask(session(), CUBE, BAND="-Inf +Inf").status_code == 200


def test_region_and_band_are_cut_together(session):
    low = CUBE.run.instrument.lambda_min * 1e-9
    answer = ask(session(), CUBE, CIRCLE=around(CUBE, 0.003), BAND=f"{low} {low * 1.01}")
    part = assert_part_of(CUBE, answer.content)
    assert part.shape[0] == 1
    assert part.shape[1] < 16


def test_without_filters_the_whole_file_comes(session):
    assert ask(session(), IMAGE).content == make_fits(IMAGE)


def test_a_cutout_is_asked_for_by_post_as_well(session):
    form = {"ID": IMAGE.ivoid, "CIRCLE": around(IMAGE, 0.003)}
    answer = session().post(URL, data=form, timeout=20)
    assert answer.content == ask(session(), IMAGE, CIRCLE=form["CIRCLE"]).content


@pytest.mark.parametrize(
    "filters",
    [{"CIRCLE": "100 60 0.01"}, {"BAND": "1 2"}, {"CIRCLE": f"{CUBE.ra} {CUBE.dec} 0.001", "BAND": "0.1 0.2"}],
)
def test_a_cutout_outside_of_the_data_is_an_error_in_words(session, filters):
    answer = ask(session(), CUBE, **filters)
    assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (400, "text/plain")
    assert answer.text == f"UsageFault: the cutout does not overlap {CUBE.ivoid}\n"


@pytest.mark.parametrize(
    ("frame", "filters", "text"),
    [
        (IMAGE, {"BAND": "3e-7 9e-7"}, "no axis of wavelength"),
        (SPECTRUM, {"CIRCLE": "85 -20 1"}, "no axes on the sky"),
        (IMAGE, {"CIRCLE": "85 -20"}, "CIRCLE=85 -20 is not understood"),
        (IMAGE, {"CIRCLE": "85 -20 -1"}, "not understood"),
        (IMAGE, {"CIRCLE": "85 -20 nan"}, "not understood"),
        (IMAGE, {"POLYGON": "1 2 3 4"}, "not understood"),
        (IMAGE, {"POS": "SQUARE 1 2 3"}, "not understood"),
        (IMAGE, {"POS": "RANGE 2 1 3 4"}, "not understood"),
        (CUBE, {"BAND": "9e-7 3e-7"}, "not understood"),
        (CUBE, {"BAND": "red"}, "not understood"),
        (IMAGE, {"POL": "I"}, "POL is not supported"),
        (IMAGE, {"BAND": ["1 2", "3 4"]}, "MultiValuedParamNotSupported: BAND"),
        (SEED, {}, "no cutouts are made"),
    ],
)
def test_what_cannot_be_cut_is_refused_with_the_reason(session, frame, filters, text):
    answer = ask(session(), frame, **filters)
    assert answer.status_code == 400
    assert text in answer.text


@pytest.mark.parametrize("identifier", [[], ["ivo://eso.org/ID?none", IMAGE.ivoid], ["none"], [IMAGE.dp_id]])
def test_one_identifier_that_has_cutouts_is_needed(session, identifier):
    assert session().get(URL, params={"ID": identifier}, timeout=20).status_code == 400


def test_cutouts_of_protected_files_are_for_the_entitled_and_401_is_for_all_others_alike(bench, session):
    filters = {"CIRCLE": around(PROTECTED, 0.003)}
    answers = {role: ask(session(role), PROTECTED, **filters) for role in (None, "norights", "team", "pi")}
    assert {role for role, answer in answers.items() if answer.status_code == 200} == {"pi"}
    assert_part_of(PROTECTED, answers["pi"].content)
    refused = {(one.status_code, one.text) for role, one in answers.items() if role != "pi"}
    assert refused == {(401, "Access denied.\n")}
    assert (bench.counters["cutouts"], bench.counters["refused_downloads"]) == (1, 3)


def test_nobody_without_rights_learns_whether_a_cutout_would_be_possible(session):
    answer = ask(session(), PROTECTED, CIRCLE="nonsense")
    assert answer.status_code == 401


def test_user_name_and_password_are_taken_too(session):
    plain = session()
    plain.auth = tuple(STANDIN.credentials["pi"].values())
    assert ask(plain, PROTECTED, CIRCLE=around(PROTECTED, 0.003)).status_code == 200
    plain.auth = (STANDIN.credentials["pi"]["username"], "wrong")
    assert ask(plain, PROTECTED, CIRCLE=around(PROTECTED, 0.003)).status_code == 401


def test_a_refused_cutout_can_be_the_login_page(bench, session):
    bench.knobs["login_page"] = "page"
    answer = ask(session(), PROTECTED, CIRCLE=around(PROTECTED, 0.003))
    assert answer.status_code == 200
    assert 'name="execution"' in answer.text


@pytest.mark.parametrize(
    ("frame", "parameters"),
    [
        (IMAGE, {"ID", "CIRCLE", "POLYGON"}),
        (CUBE, {"ID", "CIRCLE", "POLYGON", "BAND"}),
        (SPECTRUM, {"ID", "BAND"}),
    ],
    ids=["image", "cube", "spectrum"],
)
def test_datalink_describes_the_service_of_each_product(session, frame, parameters):
    links = DatalinkResults.from_result_url(f"{LINKS}{frame.dp_id}", session=session())
    (proc,) = links.iter_procs()
    assert (proc.semantics, proc.id, proc.access_url) == ("#cutout", frame.ivoid, URL)
    assert {param.name for param in proc.input_params} == parameters
    assert next(param.value for param in proc.input_params if param.name == "ID") == frame.ivoid
    assert proc.service_def == links.get_adhocservice_by_ivoid(SODA_SYNC_IVOID).ID


def test_raw_frames_and_calibrations_have_no_cutouts(session):
    for frame in (SEED, frames(level="master")[0]):
        assert list(DatalinkResults.from_result_url(f"{LINKS}{frame.dp_id}", session=session()).iter_procs()) == []


def test_several_products_are_described_in_one_document(session):
    url = f"{LINKS}{IMAGE.dp_id}&ID={CUBE.ivoid}&ID={SEED.ivoid}"
    procs = list(DatalinkResults.from_result_url(url, session=session()).iter_procs())
    assert [proc.id for proc in procs] == [IMAGE.ivoid, CUBE.ivoid]
    assert len({proc.service_def for proc in procs}) == 2


def test_pyvo_processes_what_iter_procs_gives(session):
    holder = session("pi")
    links = DatalinkResults.from_result_url(f"{LINKS}{PROTECTED.dp_id}", session=holder)
    (proc,) = links.iter_procs()
    circle = [float(number) for number in around(PROTECTED, 0.003).split()]
    assert_part_of(PROTECTED, proc.process(session=holder, circle=circle).read())


def test_pyvos_soda_query_cuts_by_circle_range_polygon_and_band(session):
    holder = session("pi")
    links = DatalinkResults.from_result_url(f"{LINKS}{PROTECTED.dp_id}", session=holder)
    service = links.get_adhocservice_by_ivoid(SODA_SYNC_IVOID)
    ra, dec, half = PROTECTED.ra, PROTECTED.dec, 0.003
    low, high = (PROTECTED.run.instrument.lambda_min, PROTECTED.run.instrument.lambda_max)
    for given in (
        {"circle": (ra, dec, half) * u.deg},
        {"range": (ra - half, ra + half, dec - half, dec + half) * u.deg},
        {"polygon": (ra - half, dec, ra, dec + half, ra + half, dec) * u.deg},
        {"band": (low, (low + high) / 2) * u.nm},
    ):
        query = SodaQuery.from_resource(links[0], service, session=holder, **given)
        data = query.execute_stream().read()
        query.raise_if_error()
        part = assert_part_of(PROTECTED, data)
        assert 0 < part.size < original(PROTECTED)[0].size


def test_pyvo_goes_from_a_search_to_a_cutout_of_a_public_product(session):
    query = f"select * from ivoa.ObsCore where dp_id = '{IMAGE.dp_id}'"
    (row,) = pyvo.dal.TAPService(TAP_URL, session=session()).search(query)
    # pyvo asks DataLink and SODA with sessions of its own here, so only public products can be cut like this.
    data = row.processed(circle=(IMAGE.ra, IMAGE.dec, 0.003) * u.deg).read()
    assert_part_of(IMAGE, data)


def test_pyvo_raises_for_a_cutout_that_is_refused_or_outside(session):
    anonymous = session()
    links = DatalinkResults.from_result_url(f"{LINKS}{PROTECTED.dp_id}", session=anonymous)
    service = links.get_adhocservice_by_ivoid(SODA_SYNC_IVOID)
    for holder, circle, text in (
        (anonymous, (53.16, -27.79, 0.01), "denied"),
        (session("pi"), (1, 1, 0.01), "overlap"),
    ):
        query = SodaQuery.from_resource(links[0], service, session=holder, circle=circle * u.deg)
        query.execute_stream().read()
        with pytest.raises(pyvo.dal.DALServiceError, match=text):
            query.raise_if_error()


def test_metadata_of_protected_products_are_public(session):
    query = f"select dp_id, obs_release_date from ivoa.ObsCore where proposal_id = '{PROPRIETARY_RUN}'"
    found = pyvo.dal.TAPService(TAP_URL, session=session()).search(query)
    assert {row["obs_release_date"][:4] for row in found} == {"2099"}
