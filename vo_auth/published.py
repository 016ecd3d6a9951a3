"""Archives whose plugins are published: name, origins, distribution.

An archive that answers the anonymous with fewer rows would hide that its plugin is missing; this table lets a session
say so. It holds no knowledge of how to log in.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PUBLISHED", "Published"]


@dataclass(frozen=True, slots=True)
class Published:
    """An archive with a plugin that can be installed.

    Parameters
    ----------
    name, title
        The archive.
    distribution
        What to install.
    origins
        Its services.
    """

    name: str
    title: str
    distribution: str
    origins: tuple[str, ...]


PUBLISHED = (
    Published(
        "eso",
        "ESO Science Archive",
        "vo-auth-eso",
        ("https://archive.eso.org", "https://dataportal.eso.org"),
    ),
    Published(
        "icos",
        "ICOS Carbon Portal",
        "vo-auth-icos",
        ("https://data.icos-cp.eu", "https://citydata.icos-cp.eu"),
    ),
    Published("sites", "SITES", "vo-auth-icos", ("https://data.fieldsites.se",)),
    Published("ia2", "IA2 (INAF)", "vo-auth-ia2", ("https://archives.ia2.inaf.it",)),
    Published(
        "cadc",
        "CADC",
        "vo-auth-cadc",
        (
            "https://ws.cadc-ccda.hia-iha.nrc-cnrc.gc.ca",
            "https://www.cadc-ccda.hia-iha.nrc-cnrc.gc.ca",
            "https://ws-cadc.canfar.net",
            "https://ws-uv.canfar.net",
            "https://ws-sf.canfar.net",
            "https://cadc-west-01.canfar.net",
        ),
    ),
)
