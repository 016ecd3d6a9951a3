"""Downloads that survive what happens on the way: resumed, checked, whole or not there at all.

``vo_auth.download`` is the way in; the records that it gives and takes are here.
"""

from __future__ import annotations

from .call import download, fetch_all
from .digests import parse_listing
from .logs import queries_masked
from .record import Downloaded, Event, Failed, Item, Options, Progress, shown
from .sessions import Sessions
from .tables import fetch_table, items_in, links_in, read_votable

__all__ = [
    "Downloaded",
    "Event",
    "Failed",
    "Item",
    "Options",
    "Progress",
    "Sessions",
    "download",
    "fetch_all",
    "fetch_table",
    "items_in",
    "links_in",
    "parse_listing",
    "queries_masked",
    "read_votable",
    "shown",
]
