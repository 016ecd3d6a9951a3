"""Shapes of answers that the data host has in common."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from email.utils import formatdate
from html import escape

from aiohttp import web

from .repository import Repository

__all__ = ["attachment", "licence_page", "send_until_close"]


def attachment(file_name: str, *, typed: bool = True) -> dict[str, str]:
    """Return the headers of a file to save; its type is guessed from its name.

    Parameters
    ----------
    file_name
        The file's name.
    typed
        Whether to name a type.

    Returns
    -------
    dict
        Headers.
    """
    headers = {"Content-Disposition": f'attachment; filename="{file_name}"'}
    if typed:
        headers["Content-Type"] = mimetypes.guess_type(file_name)[0] or "application/octet-stream"
    return headers


def licence_page(repository: Repository, *, is_known: bool) -> web.Response:
    """Return the page that asks for an acceptance: HTML with status 200.

    Parameters
    ----------
    repository
        Whose licence.
    is_known
        Whether the sender is logged in; else the page offers the login.

    Returns
    -------
    web.Response
        The page.
    """
    login = "" if is_known else f'<p><a href="https://{repository.auth}">Log in</a> to accept it for good.</p>'
    page = (
        f"<!DOCTYPE html>\n<html><head><title>{escape(repository.envri)} Data Licence</title></head>"
        f'<body><div class="licence-page"><p>Creative Commons Attribution 4.0</p>{login}</div></body></html>\n'
    )
    return web.Response(text=page, content_type="text/html")


async def send_until_close(request: web.Request, content: bytes, headers: Mapping[str, str]) -> web.StreamResponse:
    """Send a body whose end only the end of the connection tells (RFC 9112, 6.3), as the portals send their zips.

    The web server would send it in chunks, which tell a body that breaks off; so it is written past it.

    Parameters
    ----------
    request
        The request.
    content, headers
        The answer.

    Returns
    -------
    web.StreamResponse
        Goes nowhere: the connection is closed.
    """
    assert request.transport is not None
    lines = ["HTTP/1.1 200 OK", f"Date: {formatdate(usegmt=True)}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    request.transport.write("\r\n".join([*lines, "", ""]).encode() + content)
    request.transport.close()
    return web.Response()
