"""Positions: in the frames that ``dbo.raw`` lists beside right ascension and declination, and on a tangential plane."""

from __future__ import annotations

from math import asin, atan2, cos, degrees, hypot, radians, sin

__all__ = ["deproject", "ecliptic", "galactic"]

_POLE_RA, _POLE_DEC, _POLE_LON = 192.85948, 27.12825, 122.93192  # the galactic north pole in ICRS; its node
_OBLIQUITY = 23.4392911


def galactic(ra: float, dec: float) -> tuple[float, float]:
    """Return galactic longitude and latitude in degrees."""
    alpha, delta, pole = radians(ra - _POLE_RA), radians(dec), radians(_POLE_DEC)
    latitude = asin(sin(delta) * sin(pole) + cos(delta) * cos(pole) * cos(alpha))
    node = atan2(cos(delta) * sin(alpha), sin(delta) * cos(pole) - cos(delta) * sin(pole) * cos(alpha))
    return round((_POLE_LON - degrees(node)) % 360.0, 6), round(degrees(latitude), 6)


def ecliptic(ra: float, dec: float) -> tuple[float, float]:
    """Return ecliptic longitude and latitude in degrees, the longitude counted as the archive prints it."""
    alpha, delta, tilt = radians(ra), radians(dec), radians(_OBLIQUITY)
    latitude = asin(sin(delta) * cos(tilt) - cos(delta) * sin(tilt) * sin(alpha))
    longitude = atan2(sin(alpha) * cos(delta) * cos(tilt) + sin(delta) * sin(tilt), cos(alpha) * cos(delta))
    # Printed records (353.758, 1.614 -> 185.090; 266.415, -29.009 -> 273.150) count down from 540 degrees.
    return round((540.0 - degrees(longitude)) % 360.0, 6), round(degrees(latitude), 6)


def deproject(ra: float, dec: float, x: float, y: float) -> tuple[float, float]:
    """Return the position of a point on the plane that touches the sphere at a position, all in degrees.

    The gnomonic projection ``TAN`` (Calabretta and Greisen 2002, section 5.1.3); x points to the east, y to the north.
    """
    east, north, delta = radians(x), radians(y), radians(dec)
    forward = cos(delta) - north * sin(delta)
    longitude = atan2(east, forward)
    latitude = atan2(sin(delta) + north * cos(delta), hypot(east, forward))
    return round((ra + degrees(longitude)) % 360.0, 6), round(degrees(latitude), 6)
