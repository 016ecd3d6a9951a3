"""Cutouts: a part of a science product, found by its world coordinates."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import ArrayLike

from vo_auth.sandbox.tap import geometry
from vo_auth.sandbox.tap.geometry import Point, Shape

from .content import make_fits
from .model import Frame
from .products import Geometry

__all__ = ["Cut", "CutoutError", "cut_out"]


class CutoutError(ValueError):
    """A cutout that cannot be made; the text is what the user reads (SODA 1.0, section 5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What to keep.

    Parameters
    ----------
    region
        On the sky: a circle or a polygon, or None for the whole field.
    limits
        On the sky: least and greatest longitude and latitude in degrees, or None.
    band
        Least and greatest wavelength in metres, or None for all.
    """

    region: Shape | None = None
    limits: tuple[float, ...] | None = None
    band: tuple[float, ...] | None = None

    @classmethod
    def read(cls, name: str, value: str) -> Cut:
        """Read one parameter of SODA 1.0, section 3.3.

        Parameters
        ----------
        name
            ``CIRCLE``, ``POLYGON``, ``POS`` or ``BAND``.
        value
            As it was sent.

        Returns
        -------
        Cut

        Raises
        ------
        CutoutError
            The value is none of this parameter.
        """
        word, _, rest = value.strip().partition(" ") if name == "POS" else (name, "", value)
        try:
            numbers = tuple(float(number) for number in rest.split())
        except ValueError:
            numbers = (math.nan,)  # which is equal to nothing
        if name == "BAND" and len(numbers) == 2 and numbers[0] <= numbers[1]:
            return cls(band=numbers)
        if word == "RANGE" and len(numbers) == 4 and numbers[0] <= numbers[1] and numbers[2] <= numbers[3]:
            return cls(limits=numbers)
        if word == "POLYGON" or (word == "CIRCLE" and numbers[-1] > 0):
            with suppress(ValueError):  # the same answer as for all other values that make no sense
                return cls(region=geometry.build(word, numbers))
        raise CutoutError(f"UsageFault: {name}={value[:80]} is not understood")


def cut_out(frame: Frame, axes: Geometry, cuts: Sequence[Cut]) -> bytes:
    """Cut a part out of a product.

    Parameters
    ----------
    frame
        A science product.
    axes
        Its axes.
    cuts
        What to keep; of several, what all of them keep.

    Returns
    -------
    bytes
        FITS with the world coordinates of the part.

    Raises
    ------
    CutoutError
        Nothing would be left, or the product has no such axis.
    """
    with fits.open(io.BytesIO(make_fits(frame))) as hdus:
        image, header = hdus[0].data, hdus[0].header
        part = tuple(slice(0, size) for size in image.shape)
        for cut in cuts:
            part = tuple(map(_common, part, _kept(cut, axes, WCS(header), image.shape)))
        if any(one.start >= one.stop for one in part):
            raise CutoutError(f"UsageFault: the cutout does not overlap {frame.ivoid}")
        for number, one in enumerate(reversed(part), start=1):
            header[f"CRPIX{number}"] -= one.start
        header["HISTORY"] = f"Cutout of {frame.ivoid}"
        file = io.BytesIO()
        fits.HDUList([fits.PrimaryHDU(data=image[part], header=header)]).writeto(file)
        return file.getvalue()


def _kept(cut: Cut, axes: Geometry, wcs: WCS, shape: tuple[int, ...]) -> tuple[slice, ...]:
    everything = tuple(slice(0, size) for size in shape)
    if cut.band is not None:
        if not axes.channels:
            raise CutoutError("UsageFault: an image has no axis of wavelength for BAND")
        return (_channels(cut.band, wcs.spectral, shape[0]), *everything[1:])
    if not axes.side:
        raise CutoutError("UsageFault: a spectrum has no axes on the sky")
    return (*everything[:-2], *_pixels(cut, wcs.celestial, shape[-1]))


def _channels(band: tuple[float, ...], wcs: WCS, size: int) -> slice:
    edges = wcs.wcs_pix2world(np.arange(size + 1)[:, None] - 0.5, 0)[:, 0]
    return _span([bool(low <= band[1] and high >= band[0]) for low, high in pairwise(edges)])


def _pixels(cut: Cut, wcs: WCS, side: int) -> tuple[slice, slice]:
    """Find the smallest rectangle around all pixels whose centre is kept, and the one below the region's own centre."""
    rows, columns = np.indices((side, side))
    longitudes, latitudes = wcs.wcs_pix2world(columns.ravel(), rows.ravel(), 0)
    points = [Point(float(one), float(other)) for one, other in zip(longitudes, latitudes, strict=True)]
    kept = np.array([_keeps(cut, point) for point in points]).reshape(side, side)
    centre = _centre(cut)
    if centre is not None:
        (column,), (row,) = wcs.wcs_world2pix([centre.longitude], [centre.latitude], 0)
        if -0.5 <= column < side - 0.5 and -0.5 <= row < side - 0.5:
            kept[math.floor(row + 0.5), math.floor(column + 0.5)] = True
    return _span(kept.any(axis=1)), _span(kept.any(axis=0))


def _keeps(cut: Cut, point: Point) -> bool:
    if cut.limits is not None:
        west, east, south, north = cut.limits
        return west <= point.longitude <= east and south <= point.latitude <= north
    return cut.region is not None and geometry.contains(cut.region, point)


def _centre(cut: Cut) -> Point | None:
    if cut.limits is None:
        return geometry.centroid(cut.region) if cut.region is not None else None
    west, east, south, north = cut.limits
    return Point((west + east) / 2, (south + north) / 2) if all(map(math.isfinite, cut.limits)) else None


def _span(kept: ArrayLike) -> slice:
    found = np.flatnonzero(kept)
    return slice(int(found[0]), int(found[-1]) + 1) if found.size else slice(0, 0)


def _common(one: slice, other: slice) -> slice:
    return slice(max(one.start, other.start), min(one.stop, other.stop))
