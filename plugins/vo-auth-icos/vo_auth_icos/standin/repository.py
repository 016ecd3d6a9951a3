"""What the portals hold: a few small objects, the same on every machine."""

from __future__ import annotations

import base64
import hashlib
import io
import math
import struct
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

__all__ = ["CC0", "CITIES", "Column", "DataType", "ICOS", "Item", "REPOSITORIES", "Repository", "SITES", "hash_id"]

CPMETA = "http://meta.icos-cp.eu/ontologies/cpmeta/"
CC0 = "https://creativecommons.org/publicdomain/zero/1.0/"
_START = datetime(2024, 6, 1, tzinfo=UTC)
_CODES = {"int32": "i", "float32": "f", "float64": "d", "bmpChar": "H", "iso8601dateTime": "d"}
_TYPES = {"int32": "INT", "float32": "FLOAT", "float64": "DOUBLE", "bmpChar": "CHAR", "iso8601dateTime": "DOUBLE"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a kind of table.

    Parameters
    ----------
    label
        Its name.
    format
        The last word of its value format's address.
    unit
        Of its values; empty for none.
    flags
        The label of the column whose quality it flags; empty for none.
    """

    label: str
    format: str
    unit: str = ""
    flags: str = ""

    @property
    def type(self) -> str:
        """The name of its type in binary tables."""
        return _TYPES[self.format]

    def pack(self, values: Sequence[object]) -> bytes:
        """Return values as binary tables hold them: big-endian, one column after the other."""
        numbers = [ord(value) if isinstance(value, str) else value for value in values]
        return struct.pack(f">{len(numbers)}{_CODES[self.format]}", *numbers)


COLUMNS = (
    Column("TIMESTAMP", "iso8601dateTime"),
    Column("co2", "float32", unit="µmol mol-1"),
    Column("Stdev", "float32", unit="µmol mol-1"),
    Column("NbPoints", "int32"),
    Column("Flag", "bmpChar", flags="co2"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataType:
    """A kind of data objects ("specification").

    Parameters
    ----------
    name, label
        The last word of its address, and its name for people.
    columns
        Of its tables; none for what is no table.
    format
        The last word of its format's address.
    """

    name: str
    label: str
    format: str
    columns: tuple[Column, ...] = ()

    @property
    def dataset_type(self) -> str:
        """As the portal classifies data sets."""
        return "StationTimeSeries" if self.columns else "SpatioTemporal"


SERIES = DataType(
    name="atcCo2L2DataObject", label="ICOS ATC CO2 Release", format="asciiAtcProductTimeSer", columns=COLUMNS
)
MODEL = DataType(name="modelDataArchive", label="Model data archive", format="zipArchive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One object.

    Parameters
    ----------
    file_name, content
        The file.
    type
        Its specification; None for a document.
    rows
        Column → values, for a table.
    is_public_domain
        Whether everybody gets it without a licence.
    is_under_moratorium
        Whether nobody gets it yet.
    """

    file_name: str
    content: bytes
    type: DataType | None = None
    rows: Mapping[str, Sequence[object]] = field(default_factory=dict)
    is_public_domain: bool = False
    is_under_moratorium: bool = False

    @property
    def sha256(self) -> str:
        """In hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def sha256_base64(self) -> str:
        """As metadata names it."""
        return base64.urlsafe_b64encode(bytes.fromhex(self.sha256)).decode().rstrip("=")

    @property
    def id(self) -> str:
        """The end of its landing page's address."""
        return hash_id(self.sha256)

    @property
    def row_count(self) -> int:
        """Of its table."""
        return len(next(iter(self.rows.values()), ()))

    @property
    def columns(self) -> tuple[Column, ...]:
        """Of its table, in the order of binary tables."""
        return tuple(sorted(self.type.columns, key=lambda column: column.label)) if self.type and self.rows else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """One portal.

    Parameters
    ----------
    envri
        Its name in messages.
    archive
        The archive whose login it has.
    auth, meta, data
        Its hosts.
    cookie, cookie_domain
        The permit, and where browsers send it.
    prefix
        With what its metadata's addresses begin.
    licence
        The licence that users accept in their profile.
    station
        Identifier and name of its one station.
    """

    envri: str
    archive: str
    auth: str
    meta: str
    data: str
    cookie: str
    cookie_domain: str
    prefix: str
    licence: str
    station: tuple[str, str]

    @property
    def items(self) -> Mapping[str, Item]:
        """Everything it holds, by identifier."""
        return _items(self.envri)

    @property
    def series(self) -> list[Item]:
        """Tables."""
        return [item for item in self.items.values() if item.rows]

    @property
    def collection(self) -> tuple[str, str, list[Item]]:
        """Identifier, title and members of its one collection."""
        members = [item for item in self.series if not item.is_under_moratorium]
        names = "\n".join(item.sha256 for item in members)
        return hash_id(hashlib.sha256(names.encode()).hexdigest()), f"{self.envri} time series", members

    def find(self, text: str) -> Item | None:
        """Return the object of an identifier: its first 18 bytes or all 32 in base64url, or all in hexadecimal."""
        return self.items.get(normal_id(text))

    def named(self, start: str) -> Item:
        """Return the first object whose file name begins like this."""
        return next(item for item in self.items.values() if item.file_name.startswith(start))

    def landing_page(self, item: Item) -> str:
        """Return its persistent address."""
        return f"https://{self.meta}/objects/{item.id}"


def hash_id(sha256: str) -> str:
    """Return the identifier that the portals make of a hash in hexadecimal."""
    return base64.urlsafe_b64encode(bytes.fromhex(sha256)[:18]).decode()


def normal_id(text: str) -> str:
    """Return an identifier in its short form; what is none comes back as it is."""
    if len(text) == 64 and set(text) <= set("0123456789abcdef"):
        return hash_id(text)
    return text[:24] if len(text) in (24, 43) else text


@cache
def _items(envri: str) -> Mapping[str, Item]:
    model = _zip({"README.txt": b"a model\n", "flux/2024.txt": b"1.5\n"})
    free = _zip({"open.txt": b"for all\n"})
    made = [
        _series(f"{envri}_ATC_HTM_30.0_CO2.csv", base=420.0),
        _series(f"{envri}_ATC_HTM_150.0_CO2.csv", base=418.0),
        _series(f"{envri}_ATC_NEW_10.0_CO2.csv", base=425.0, is_under_moratorium=True),
        Item(
            file_name=f"{envri}_model.zip",
            content=model,
            type=MODEL,
        ),
        Item(file_name=f"{envri}_open.zip", content=free, type=MODEL, is_public_domain=True),
        Item(file_name=f"{envri} protocol.pdf", content=b"%PDF-1.4 a protocol of " + envri.encode()),
    ]
    return {item.id: item for item in made}


def _series(file_name: str, *, base: float, is_under_moratorium: bool = False) -> Item:
    hours = range(48)
    rows: dict[str, Sequence[object]] = {
        "TIMESTAMP": [(_START + timedelta(hours=hour)).timestamp() * 1000 for hour in hours],
        "co2": [base + math.sin(hour / 4) for hour in hours],
        "Stdev": [0.25 + (hour % 4) / 8 for hour in hours],
        "NbPoints": [60 - hour % 5 for hour in hours],
        "Flag": ["K" if hour == 7 else "O" for hour in hours],
    }
    lines = [";".join(rows), *(";".join(map(str, row)) for row in zip(*rows.values(), strict=True))]
    content = "\n".join([f"# {file_name}", *lines, ""]).encode()
    return Item(file_name=file_name, content=content, type=SERIES, rows=rows, is_under_moratorium=is_under_moratorium)


def _zip(files: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # no time of today: the same every day
    return target.getvalue()


ICOS = Repository(
    envri="ICOS",
    archive="icos",
    auth="cpauth.icos-cp.eu",
    meta="meta.icos-cp.eu",
    data="data.icos-cp.eu",
    cookie="cpauthToken",
    cookie_domain=".icos-cp.eu",
    prefix="http://meta.icos-cp.eu/",
    licence="http://meta.icos-cp.eu/ontologies/cpmeta/icosLicence",
    station=("AS_HTM", "Hyltemossa"),
)
CITIES = Repository(
    envri="ICOSCities",
    archive="icos",
    auth="cpauth.icos-cp.eu",
    meta="citymeta.icos-cp.eu",
    data="citydata.icos-cp.eu",
    cookie="cpauthToken",
    cookie_domain=".icos-cp.eu",
    prefix="https://citymeta.icos-cp.eu/",
    licence="http://meta.icos-cp.eu/ontologies/cpmeta/icosLicence",
    station=("ZUR", "Zurich"),
)
SITES = Repository(
    envri="SITES",
    archive="sites",
    auth="auth.fieldsites.se",
    meta="meta.fieldsites.se",
    data="data.fieldsites.se",
    cookie="fieldsitesToken",
    cookie_domain=".fieldsites.se",
    prefix="https://meta.fieldsites.se/",
    licence="https://meta.fieldsites.se/ontologies/sites/sitesLicence",
    station=("SVB", "Svartberget"),
)
REPOSITORIES = (ICOS, CITIES, SITES)
