"""What the stand-in holds: frames that are the same on every machine, files that readers accept."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

from vo_auth_eso.standin import lzw
from vo_auth_eso.standin.columns import OBSCORE, RAW
from vo_auth_eso.standin.content import estimated_size, file_name, make_file, make_fits
from vo_auth_eso.standin.holdings import frames, get_frame
from vo_auth_eso.standin.rows import obscore_row, raw_row
from vo_auth_eso.standin.sky import galactic

SEED = "SPHER.2016-09-26T04:15:07.252"


@given(st.binary(max_size=4000) | st.lists(st.sampled_from([b"a", b"ab", b"   "]), max_size=2000).map(b"".join))
def test_what_is_compressed_comes_back(data):
    assert lzw.decompress(lzw.compress(data)) == data


def test_other_files_are_not_taken_for_compressed_ones():
    with pytest.raises(ValueError, match="header"):
        lzw.decompress(gzip.compress(b"data"))
    with pytest.raises(ValueError, match="entry"):
        lzw.decompress(lzw.compress(b"") + b"\xff\xff")


@pytest.mark.skipif(shutil.which("gzip") is None, reason="no gzip here")
def test_gzip_unpacks_every_kind_of_raw_frame():
    frame = get_frame(SEED)
    done = subprocess.run(["gzip", "-dc"], input=make_file(frame), capture_output=True, check=True)
    assert done.stdout == make_fits(frame)


def test_every_file_is_valid_fits_whose_header_agrees_with_its_row():
    for frame in frames():
        data = make_fits(frame)
        assert len(data) == estimated_size(frame)
        with fits.open(io.BytesIO(data)) as hdus:
            hdus.verify("exception")
            header, shape = hdus[0].header, hdus[0].data.shape
        if frame.level == "product":
            row = obscore_row(frame)
            channels = row["em_xel"] if row["em_xel"] > 1 else None
            assert shape == tuple(size for size in (channels, row["s_xel2"], row["s_xel1"]) if size)
        else:
            assert shape == (32, 32)
        if frame.level == "raw":
            row = raw_row(frame)
            assert header["ARCFILE"] == f"{row['dp_id']}.fits"
            assert header["ESO OBS PROG ID"] == row["prog_id"]
            assert header["ESO DPR CATG"] == row["dp_cat"]
            assert (header["INSTRUME"], header["OBJECT"]) == (row["instrument"], row["object"])
            assert header["EXPTIME"] == row["exposure"]
            assert header["MJD-OBS"] == pytest.approx(row["mjd_obs"])
            assert row["date_obs"].startswith(header["DATE-OBS"])
            assert header["ORIGFILE"] == row["origfile"]


def test_raw_frames_are_packed_under_a_name_that_says_so_and_others_are_not():
    raw, master = get_frame(SEED), get_frame("M.SPHERE.2016-09-27T08:14:42.823")
    assert (file_name(raw), make_file(raw)[:2]) == (f"{SEED}.fits.Z", b"\x1f\x9d")
    assert (file_name(raw, packed=False), make_file(raw, packed=False)[:6]) == (f"{SEED}.fits", b"SIMPLE")
    assert (file_name(master), make_file(master)[:6]) == ("M.SPHERE.2016-09-27T08:14:42.823.fits", b"SIMPLE")


def test_the_data_are_the_same_in_every_process():
    code = (
        "import hashlib\n"
        "from vo_auth_eso.standin.content import make_file\n"
        "from vo_auth_eso.standin.holdings import frames\n"
        "print(hashlib.sha256(b''.join(make_file(frame) for frame in frames())).hexdigest())"
    )
    seeded = {**os.environ, "PYTHONHASHSEED": "7"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=seeded, text=True)
    assert done.stdout.strip() == hashlib.sha256(b"".join(make_file(frame) for frame in frames())).hexdigest()


def test_the_footprint_of_a_product_is_that_of_its_world_coordinates():
    checked = set()
    for frame in frames(level="product"):
        row = obscore_row(frame)
        shape, *numbers = row["s_region"].replace("J2000 ", "").split()
        checked.add((row["dataproduct_type"], shape))
        if shape == "POLYGON":
            corners = WCS(fits.Header.fromstring(make_fits(frame))).celestial.calc_footprint(center=False)
            assert np.array(numbers, dtype=float).reshape(4, 2) == pytest.approx(corners, abs=2e-6)
    assert checked == {("image", "POLYGON"), ("cube", "POLYGON"), ("spectrum", "POSITION")}


def test_the_axis_of_wavelength_spans_what_the_row_says():
    for frame in frames(level="product"):
        row = obscore_row(frame)
        if row["em_xel"] > 1:
            axis = WCS(fits.Header.fromstring(make_fits(frame))).spectral
            ends = axis.wcs_pix2world([[-0.5], [row["em_xel"] - 0.5]], 0).ravel()
            assert ends == pytest.approx((row["em_min"], row["em_max"]), rel=1e-6)


def test_rows_have_only_the_columns_of_their_table():
    raw, obscore = {column.name for column in RAW}, {column.name for column in OBSCORE}
    assert all(set(raw_row(frame)) <= raw for frame in frames(level="raw"))
    assert all(set(obscore_row(frame)) <= obscore for frame in frames(level="product"))
    assert 60 <= len(frames(level="raw")) <= 150


def test_galactic_coordinates_agree_with_astropy():
    for frame in frames(level="product"):
        expected = SkyCoord(frame.ra, frame.dec, unit="deg").galactic
        assert galactic(frame.ra, frame.dec) == pytest.approx((expected.l.deg, expected.b.deg), abs=1e-4)
