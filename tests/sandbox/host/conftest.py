"""A toy archive for the sandbox to serve: it answers with what it was asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from aiohttp import web

from vo_auth.sandbox import Bench, Sandbox, StandIn
from vo_auth.sandbox.tls import peer_certificate


def toy_app(bench: Bench) -> web.Application:
    bench.count("apps")

    async def tell(request: web.Request) -> web.Response:
        certificate = peer_certificate(request)
        return web.json_response(
            {
                "host": request.host,
                "scheme": request.scheme,
                "path": request.raw_path,
                "body": len(await request.read()),
                "headers": {name.lower(): value for name, value in request.headers.items()},
                "certificate": certificate.hex() if certificate else None,
                "visits": bench.count("visits"),
            }
        )

    async def fail(_request: web.Request) -> web.Response:
        return web.Response(status=500, text="broken on purpose")

    async def big(_request: web.Request) -> web.Response:
        return web.Response(body=bytes(range(256)) * 20_000)

    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.router.add_get("/fail", fail)
    app.router.add_get("/big", big)
    app.router.add_route("*", "/{path:.*}", tell)
    return app


TOY = StandIn(
    archive="toy",
    hosts=("archive.toy.example", "Data.Toy.example"),
    credentials={
        "pi": {"username": "demo-pi", "password": "obviously-fake"},
        "nobody": {"username": "demo-nobody", "password": "also-obviously-fake", "token": "not-of-the-first-role"},
    },
    app=toy_app,
)


@pytest.fixture
def toy() -> StandIn:
    return TOY


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox with the toy archive; this process is inside of it."""
    with Sandbox([TOY]) as started, started.activated():
        yield started
