"""How science products lie on the sky and in wavelength: shapes, world coordinates, footprints.

An image has two axes, a cube the same two and one of wavelength, a spectrum that one alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from .model import Frame
from .sky import deproject

__all__ = ["FIELD", "Geometry", "find_geometry"]

FIELD = 0.02  # degrees on a side, of images and cubes alike


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """The axes of one product.

    Parameters
    ----------
    kind
        ``image``, ``cube`` or ``spectrum``, as ObsCore names it.
    side
        Pixels on each side of the field; 0 for a spectrum.
    channels
        Pixels in wavelength; 0 for an image.
    """

    kind: str
    side: int = 0
    channels: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the data in Python's order: wavelength first."""
        return (*([self.channels] if self.channels else []), *([self.side] * 2 if self.side else []))

    def footprint(self, frame: Frame) -> tuple[float, ...]:
        """Return the corners of the field as longitudes and latitudes in turn; nothing for a spectrum."""
        if not self.side:
            return ()
        half = FIELD / 2
        corners = ((half, -half), (half, half), (-half, half), (-half, -half))
        return tuple(value for corner in corners for value in deproject(frame.ra, frame.dec, *corner))

    def wavelengths(self, frame: Frame) -> tuple[float, float] | None:
        """Return the range in metres; None for an image, which has no such axis."""
        instrument = frame.run.instrument
        return (instrument.lambda_min * 1e-9, instrument.lambda_max * 1e-9) if self.channels else None

    def cards(self, frame: Frame) -> dict[str, str | float]:
        """Return the cards of the world coordinates (FITS standard 4.0, section 8)."""
        axes: list[tuple[str, str, float, float, float]] = []
        if self.side:
            size, middle = FIELD / self.side, (self.side + 1) / 2
            axes += [("RA---TAN", "deg", middle, frame.ra, -size), ("DEC--TAN", "deg", middle, frame.dec, size)]
        found = self.wavelengths(frame)
        if found:
            shortest, longest = found
            axes.append(
                ("WAVE", "m", 0.5, shortest, (longest - shortest) / self.channels)
            )  # the edge of the first pixel
        cards: dict[str, str | float] = {}
        for number, (kind, unit, pixel, value, step) in enumerate(axes, start=1):
            cards |= {f"CTYPE{number}": kind, f"CUNIT{number}": unit}
            cards |= {f"CRPIX{number}": pixel, f"CRVAL{number}": value, f"CDELT{number}": step}
        if self.side:
            cards["RADESYS"] = "ICRS"
        return cards


_GEOMETRIES = {
    "SCIENCE.IMAGE": Geometry(kind="image", side=64),
    "SCIENCE.CUBE.IFS": Geometry(kind="cube", side=32, channels=8),
    "SCIENCE.SPECTRUM": Geometry(kind="spectrum", channels=4096),
}


def find_geometry(frame: Frame) -> Geometry | None:
    """Return the axes of a product, or None for a frame that is none.

    Parameters
    ----------
    frame
        Any frame.

    Returns
    -------
    Geometry | None
    """
    return _GEOMETRIES[frame.role] if frame.level == "product" else None
