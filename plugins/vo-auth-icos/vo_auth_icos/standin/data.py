"""The data host: objects, tables, zip entries, collections, and the licence that stands before them.

Source: the package ``routes`` of ICOS-Carbon-Portal/data.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote, unquote

from aiohttp import web

from vo_auth.sandbox import Bench

from .accounts import Accounts, cookie_in
from .answers import attachment, licence_page, send_until_close
from .repository import Item, Repository, normal_id

__all__ = ["DataHost"]

_LICENCE_COOKIE = "CpLicenseAcceptedFor"


class DataHost:
    """Answer at a portal's data host.

    Parameters
    ----------
    bench
        Knob: ``zip_cut`` (bytes after which zip answers break off, as if they were whole). Counters: ``downloads``,
        ``licence_redirects``, ``tables``.
    accounts
        Tells who asks, and who has accepted the licence.
    repository
        What there is.
    """

    def __init__(self, bench: Bench, accounts: Accounts, repository: Repository) -> None:
        self._bench = bench
        self._accounts = accounts
        self._repository = repository

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this service."""
        return [
            web.get("/objects", self.answer_batch),
            web.post("/objects", self.answer_form),
            web.get("/objects/{id}", self.answer_object),
            web.get("/collections/{id}", self.answer_collection),
            web.get("/csv/{id}", self.answer_csv),
            web.post("/cpb", self.answer_binary),
            web.get("/zip/{id}/listContents", self.list_zip),
            web.get("/zip/{id}/extractFile/{path:.+}", self.answer_entry),
            web.get("/licence", self.answer_licence),
            web.get("/licence_accept", self.accept_licence),
            web.get("/whoami", self.answer_whoami),
            web.get("/logout", self.log_out),
        ]

    # ---------------------------------------------------------------- who

    async def answer_whoami(self, request: web.Request) -> web.Response:
        """Say for whom the sender is taken: null for nobody, always with status 200."""
        return web.json_response({"email": self._accounts.sender(request)})

    async def log_out(self, _request: web.Request) -> web.Response:
        """Delete the browser's cookie."""
        cookie, domain = self._repository.cookie, self._repository.cookie_domain
        header = f"{cookie}=deleted; Max-Age=1; Domain={domain}; SameSite=Strict"
        return web.Response(text="OK", headers={"Set-Cookie": header})

    # ---------------------------------------------------------------- objects

    async def answer_object(self, request: web.Request) -> web.StreamResponse:
        """Answer with a file, or lead to the licence: whatever is wrong with a cookie, its sender is anonymous."""
        item = self._repository.find(request.match_info["id"])
        if item is None:
            return _missing(request.match_info["id"])
        if item.is_under_moratorium:
            return web.Response(status=404, text="Data object is under moratorium, will be available at 2099-01-01")
        headers: dict[str, str] = {}
        if item.type is not None:
            if item.id in self._accepted_in_cookie(request):
                headers["Set-Cookie"] = f"{_LICENCE_COOKIE}=deleted; Expires=Wed, 01 Jan 1800 00:00:00 GMT"
            elif not self._is_allowed(request, [item]):
                return self._to_licence([item.id])
        self._bench.count("downloads")
        return web.Response(body=item.content, headers=attachment(item.file_name) | headers)

    async def answer_batch(self, request: web.Request) -> web.StreamResponse:
        """Answer with a zip of several objects."""
        ids, name = _ids(request.query.get("ids")), request.query.get("fileName")
        if ids is None or name is None:
            text = "Expected fileName URL parameter and js array of SHA256 hashsums in 'ids' URL parameter"
            return web.Response(status=400, text=text)
        return await self._batch(request, ids, name, [("fileName", name)])

    async def answer_form(self, request: web.Request) -> web.StreamResponse:
        """Answer the same to a form that may accept the licence for this one request."""
        form = await request.post()
        ids = _ids(form.get("ids"))
        if ids is None or "fileName" not in form:
            text = "Expected fileName and ids (js array of SHA256 hashsums) in request payload"
            return web.Response(status=400, text=text)
        items = self._items(ids)
        if form.get("licenceOk") != "true" and not self._is_allowed(request, items):
            return licence_page(self._repository, is_known=self._accounts.sender(request) is not None)
        return await self._zip(request, items, str(form["fileName"]))

    async def answer_collection(self, request: web.Request) -> web.StreamResponse:
        """Answer with a zip of a collection's objects."""
        own, title, members = self._repository.collection
        asked = normal_id(request.match_info["id"])
        if asked != own:
            return _missing(asked)
        return await self._batch(request, [item.id for item in members], title, [("isColl", "true")], collection=own)

    async def _batch(
        self,
        request: web.Request,
        ids: list[str],
        name: str,
        parameters: list[tuple[str, str]],
        *,
        collection: str = "",
    ) -> web.StreamResponse:
        items = self._items(ids)
        accepted = self._accepted_in_cookie(request)
        if not (set(ids) <= accepted or collection in accepted) and not self._is_allowed(request, items):
            return self._to_licence([collection] if collection else ids, parameters)
        return await self._zip(request, items, name)

    async def _zip(self, request: web.Request, items: list[Item], name: str) -> web.StreamResponse:
        target = io.BytesIO()
        toc = ["Included,File name,PID,Landing page,Omission reason (if any)"]
        with zipfile.ZipFile(target, "w") as archive:
            for item in items:
                page = self._repository.landing_page(item)
                reason = "Data object is under moratorium" if item.is_under_moratorium else ""
                toc.append(f"{'No' if reason else 'Yes'},{item.file_name},,{page},{reason}")
                if not reason:
                    archive.writestr(item.file_name, item.content)
            archive.writestr("!TOC.csv", "\n".join([*toc, ""]))
        self._bench.count("downloads")
        content = target.getvalue()[: self._bench.knob("zip_cut")]
        headers = {"Content-Type": "application/zip", **attachment(f"{name}.zip", typed=False)}
        return await send_until_close(request, content, headers)

    # ---------------------------------------------------------------- tables

    async def answer_csv(self, request: web.Request) -> web.StreamResponse:
        """Answer with a table as CSV; only parameters of the query count."""
        refusal = self._refusal(request, "CSV")
        if refusal is not None:
            return refusal
        item = self._repository.find(request.match_info["id"])
        if item is None or not item.rows:
            return _missing(request.match_info["id"])
        wanted = request.query.getall("col", []) or [column.label for column in item.columns]
        if not set(wanted) <= set(item.rows):
            return web.Response(status=400, text="Unknown column")
        try:
            offset = int(request.query.get("offset", 0))
            limit = int(request.query.get("limit", item.row_count))
        except ValueError:
            return web.Response(status=400, text="offset and limit are numbers")
        self._bench.count("tables")
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(wanted)
        for number in range(offset, min(offset + limit, item.row_count)):
            writer.writerow([_cell(label, item.rows[label][number]) for label in wanted])
        return web.Response(body=text.getvalue().encode(), headers=attachment(item.file_name))

    async def answer_binary(self, request: web.Request) -> web.StreamResponse:
        """Answer with columns of a table in binary form."""
        refusal = self._refusal(request, "binary")
        if refusal is not None:
            return refusal
        try:
            asked = json.loads(await request.text())
            item = self._repository.find(asked["tableId"])
            body = _columns(item, asked) if item is not None and item.rows else None
        except (ValueError, KeyError, TypeError, IndexError):
            return web.Response(status=400, text="Expected a proper binary table request")
        if body is None:
            return _missing(str(asked["tableId"]))
        self._bench.count("tables")
        return web.Response(body=body, content_type="application/octet-stream")

    def _refusal(self, request: web.Request, what: str) -> web.Response | None:
        sender = self._accounts.sender(request)
        if sender is None:
            envri = self._repository.envri
            return web.Response(status=401, text=f"{envri} data portal login is required for {what} downloads")
        if not self._accounts.has_accepted(sender):
            text = f"Accepting data licence in your user profile is required for {what} downloads"
            return web.Response(status=403, text=text)
        return None

    # ---------------------------------------------------------------- zip entries

    async def list_zip(self, request: web.Request) -> web.StreamResponse:
        """List what is in a zip, to everybody."""
        item = self._repository.find(request.match_info["id"])
        if item is None or not item.file_name.endswith(".zip"):
            return _missing(request.match_info["id"])
        entries = zipfile.ZipFile(io.BytesIO(item.content)).infolist()
        path = f"/zip/{item.id}/extractFile/"
        told = [{"name": entry.filename, "path": path + entry.filename, "size": entry.file_size} for entry in entries]
        return web.json_response(told)

    async def answer_entry(self, request: web.Request) -> web.StreamResponse:
        """Answer with one file of a zip."""
        item = self._repository.find(request.match_info["id"])
        if item is None or not item.file_name.endswith(".zip"):
            return _missing(request.match_info["id"])
        if not self._is_allowed(request, [item]):
            envri = self._repository.envri
            if self._accounts.sender(request) is None:
                return web.Response(status=401, text=f"{envri} data portal login is required for zip entry downloads")
            text = f"Accepting the following licence(s) is required for download: {self._repository.licence}"
            return web.Response(status=403, text=text)
        path = unquote(request.match_info["path"])
        try:
            content = zipfile.ZipFile(io.BytesIO(item.content)).read(path)
        except KeyError:
            return web.Response(status=404, text="Unknown zip entry")
        self._bench.count("downloads")
        return web.Response(body=content, headers=attachment(path.rpartition("/")[2]))

    # ---------------------------------------------------------------- licence

    async def answer_licence(self, request: web.Request) -> web.Response:
        """Answer with the page that stands where data was due."""
        return licence_page(self._repository, is_known=self._accounts.sender(request) is not None)

    async def accept_licence(self, request: web.Request) -> web.Response:
        """Take the acceptance for some objects: a cookie that the next download of them uses up."""
        ids = _ids(request.query.get("ids"))
        if not ids:
            return web.Response(status=404, text="The requested resource could not be found.")
        place = "collections" if request.query.get("isColl") == "true" else "objects"
        path = target = f"/{place}/{ids[0]}"
        if len(ids) > 1 or "fileName" in request.query:
            path = f"/{place}"
            target = f"{path}?ids={quote(json.dumps(ids))}&fileName={quote(request.query.get('fileName', ''))}"
        cookie = f"{_LICENCE_COOKIE}={'|'.join(ids)}; Path={path}"
        return web.Response(status=302, headers={"Location": target, "Set-Cookie": cookie})

    def _to_licence(self, ids: list[str], parameters: Sequence[tuple[str, str]] = ()) -> web.Response:
        self._bench.count("licence_redirects")
        query = [("ids", json.dumps(ids, separators=(",", ":"))), *parameters]
        target = "/licence?" + "&".join(f"{name}={quote(value, safe='[],')}" for name, value in query)
        text = f'The requested resource temporarily resides under <a href="{target}">this URI</a>.'
        return web.Response(status=302, text=text, content_type="text/html", headers={"Location": target})

    def _is_allowed(self, request: web.Request, items: list[Item]) -> bool:
        needs = any(item.type is not None and not item.is_public_domain for item in items)
        return not needs or self._accounts.has_accepted(self._accounts.sender(request))

    def _accepted_in_cookie(self, request: web.Request) -> set[str]:
        return {normal_id(part) for part in (cookie_in(request, _LICENCE_COOKIE) or "").split("|")} - {""}

    def _items(self, ids: list[str]) -> list[Item]:
        found = (self._repository.find(one) for one in ids)
        return [item for item in found if item is not None]


def _ids(text: object) -> list[str] | None:
    try:
        ids = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return [normal_id(str(one)) for one in ids] if isinstance(ids, list) else None


def _columns(item: Item, asked: dict[str, object]) -> bytes:
    """Return the columns that a request asks for, if it knows the table as it is."""
    schema, numbers = asked["schema"], asked["columnNumbers"]
    assert item.type is not None
    expected = {"columns": [column.type for column in item.columns], "size": item.row_count}
    if schema != expected or asked["subFolder"] != item.type.format or not isinstance(numbers, list):
        raise ValueError("another table")
    part = asked.get("slice") or {"offset": 0, "length": item.row_count}
    assert isinstance(part, dict)
    rows = slice(part["offset"], part["offset"] + part["length"])
    chosen = [item.columns[number] for number in numbers]
    return b"".join(column.pack(item.rows[column.label][rows]) for column in chosen)


def _cell(label: str, value: object) -> object:
    if label != "TIMESTAMP" or not isinstance(value, float):
        return value
    return datetime.fromtimestamp(value / 1000, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _missing(what: str) -> web.Response:
    return web.Response(status=404, text=f"Metadata object not found for {what}")
