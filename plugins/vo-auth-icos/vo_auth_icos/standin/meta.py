"""The meta host: landing pages as JSON, and SPARQL as far as the portals' own clients ask. Nobody logs in here.

Source: ``JsonSupport.scala`` of ICOS-Carbon-Portal/meta; the queries are those of icoscp_core 0.3.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from .repository import CC0, CPMETA, Column, Item, Repository
from .sparql import UnknownQueryError, answer_query

__all__ = ["MetaHost"]


class MetaHost:
    """Answer at a portal's meta host.

    Parameters
    ----------
    repository
        What there is.
    """

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this service."""
        return [
            web.get("/objects/{id}", self.answer_object),
            web.get("/objects/{id}/meta.json", self.answer_object),
            web.get("/collections/{id}", self.answer_collection),
            web.get("/resources/stations/{id}", self.answer_station),
            web.post("/sparql", self.answer_sparql),
            web.get("/sparql", self.answer_sparql),
        ]

    async def answer_object(self, request: web.Request) -> web.Response:
        """Answer an object's metadata."""
        item = self._repository.find(request.match_info["id"])
        if item is None:
            return web.Response(status=404, text="Page not found")
        return _page(request, _object(self._repository, item))

    async def answer_collection(self, request: web.Request) -> web.Response:
        """Answer a collection's metadata."""
        own, title, members = self._repository.collection
        if request.match_info["id"] != own:
            return web.Response(status=404, text="Page not found")
        page = f"https://{self._repository.meta}/collections/{own}"
        told = {
            "res": page,
            "hash": own,
            "title": title,
            "creator": _organization(self._repository, "CP", "Carbon Portal"),
            "members": [
                {"res": self._repository.landing_page(item), "hash": item.sha256, "name": item.file_name}
                for item in members
            ],
            "latestVersion": page,
            "parentCollections": [],
            "references": {},
        }
        return _page(request, told)

    async def answer_station(self, request: web.Request) -> web.Response:
        """Answer a station's metadata."""
        if request.match_info["id"] != self._repository.station[0]:
            return web.Response(status=404, text="Page not found")
        return _page(request, {**_station(self._repository), "staff": []})

    async def answer_sparql(self, request: web.Request) -> web.Response:
        """Answer a query, as text in the body or in the parameter ``query``."""
        query = request.query.get("query", "") if request.method == "GET" else await request.text()
        try:
            told = answer_query(self._repository, query)
        except UnknownQueryError as error:
            return web.Response(status=400, text=f"{error}\n")
        return web.json_response(told, content_type="application/json")


def _page(request: web.Request, told: dict[str, Any]) -> web.Response:
    if "json" in request.headers.get("Accept", "") or request.path.endswith("/meta.json"):
        return web.json_response(told)
    return web.Response(text="<!DOCTYPE html>\n<html><body>A landing page</body></html>\n", content_type="text/html")


def _resource(uri: str, label: str) -> dict[str, Any]:
    return {"uri": uri, "label": label, "comments": []}


def _organization(repository: Repository, name: str, label: str) -> dict[str, Any]:
    return {"self": _resource(f"{repository.prefix}resources/organizations/{name}", label), "name": label}


def _station(repository: Repository) -> dict[str, Any]:
    short, name = repository.station
    uri = f"{repository.prefix}resources/stations/{short}"
    return {
        "org": {"self": _resource(uri, name), "name": name},
        "id": short.removeprefix("AS_"),
        "location": {"lat": 56.0976, "lon": 13.4189, "alt": 115},
        "pictures": [],
        "specificInfo": {},
        "countryCode": "SE",
    }


def _object(repository: Repository, item: Item) -> dict[str, Any]:
    page = repository.landing_page(item)
    told = {
        "hash": item.sha256_base64,
        "accessUrl": f"https://{repository.data}/objects/{item.id}",
        "fileName": item.file_name,
        "size": len(item.content),
        "submission": {
            "submitter": _organization(repository, "ATC", "Atmosphere Thematic Centre"),
            "start": "2024-07-01T12:00:00Z",
            "stop": "2099-01-01T00:00:00Z" if item.is_under_moratorium else "2024-07-01T12:00:05Z",
        },
        "latestVersion": page,
        "parentCollections": [],
        "references": {
            "citationString": f"{repository.envri} (2024). {item.file_name}",
            "licence": _licence(repository, item),
        },
    }
    if item.type is None:
        return told | {"description": "A document"}
    info = _series_info(repository, item) if item.rows else _model_info(repository, item)
    return told | {"specification": _specification(repository, item), "specificInfo": info, "coverageGeo": _GEO}


_GEO = {"type": "Point", "coordinates": [13.4189, 56.0976]}


def _licence(repository: Repository, item: Item) -> dict[str, Any]:
    if item.is_public_domain or item.type is None:
        return {"url": CC0, "name": "CC0", "webpage": CC0}
    name = f"{repository.envri} CCBY4 Data Licence"
    return {"url": repository.licence, "name": name, "webpage": f"https://{repository.data}/licence"}


def _specification(repository: Repository, item: Item) -> dict[str, Any]:
    assert item.type is not None
    resources = f"{repository.prefix}resources/"
    kind = CPMETA + item.type.format
    told = {
        "self": _resource(f"{resources}cpmeta/{item.type.name}", item.type.label),
        "project": {"self": _resource(f"{resources}projects/icos", repository.envri)},
        "theme": {
            "self": _resource(f"{resources}themes/atmosphere", "Atmosphere"),
            "icon": f"https://{repository.meta}/i",
        },
        # the second address is for old clients, as at the portal
        "format": {"self": _resource(kind, item.type.format), "goodFlagValues": ["O", "U", "R"], "uri": kind},
        "encoding": _resource(f"{CPMETA}plainFile", "Plain file"),
        "dataLevel": 2,
        "specificDatasetType": item.type.dataset_type,
        "documentation": [],
    }
    if item.type.columns:
        dataset = _resource(f"{resources}cpmeta/{item.type.name}Dataset", "dataset")
        told["datasetSpec"] = {"self": dataset}
    return told


def _series_info(repository: Repository, item: Item) -> dict[str, Any]:
    assert item.type is not None
    return {
        "acquisition": {
            "station": _station(repository),
            "interval": {"start": "2024-06-01T00:00:00Z", "stop": "2024-06-03T00:00:00Z"},
            "samplingHeight": 30.0,
        },
        "nRows": item.row_count,
        "columns": [_variable(repository, column) for column in item.type.columns],
    }


def _variable(repository: Repository, column: Column) -> dict[str, Any]:
    model = f"{repository.prefix}resources/cpmeta/column_"
    kind: dict[str, Any] = {"self": _resource(f"{repository.prefix}resources/cpmeta/type_{column.label}", column.label)}
    if column.unit:
        kind["unit"] = column.unit
    told = {
        "model": _resource(model + column.label, column.label),
        "label": column.label,
        "valueType": kind,
        "valueFormat": CPMETA + column.format,
    }
    return told | ({"isFlagFor": [model + column.flags]} if column.flags else {})


def _model_info(repository: Repository, item: Item) -> dict[str, Any]:
    return {
        "title": item.file_name,
        "spatial": {
            "min": {"lat": 55.0, "lon": 13.0},
            "max": {"lat": 57.0, "lon": 14.0},
        },
        "temporal": {"interval": {"start": "2024-06-01T00:00:00Z", "stop": "2024-06-03T00:00:00Z"}},
        "productionInfo": {
            "creator": _organization(repository, "CP", "Carbon Portal"),
            "contributors": [],
            "sources": [],
            "dateTime": "2024-06-30T00:00:00Z",
        },
    }
