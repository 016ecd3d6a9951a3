"""What permits look like on the wire, with their secrets masked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .flows import CertificateFile, HttpBasic, LoginRequest, PastedCookie, PastedToken
from .flows.oauth import OAuthFlow
from .grant import Flow
from .permit import Permit

__all__ = ["foreseen_form", "masked"]

_BEARER = "Authorization: Bearer ***"


def masked(permit: Permit, url: str) -> tuple[str, ...]:
    """Return what a permit adds to a request, its values masked.

    Parameters
    ----------
    permit
        The permit.
    url
        Where it would go.
    """
    if permit.kind == "certificate":
        return ("a client certificate",)
    presentation = permit.present(url)
    headers = []
    for name, value in presentation.headers.items():
        scheme = f"{value.partition(' ')[0]} " if name.lower() == "authorization" and " " in value else ""
        headers.append(f"{name}: {scheme}***")
    return (*headers, *(f"Cookie: {name}=***" for name in presentation.cookies))


def foreseen_form(flow: Flow) -> str:
    """Return what the permits of a flow will look like on the wire, masked.

    Parameters
    ----------
    flow
        A flow of an archive.
    """
    for kind, form in _FORMS:
        if isinstance(flow, kind):
            return form(flow)
    return f"the permit that {flow.name} gives"


def _of_request(flow: Any) -> str:
    kind, _, name = flow.present.partition(":")
    return {"bearer": _BEARER, "header": f"{name}: ***", "cookie": f"Cookie: {name}=***"}[kind]


def _of_token(flow: Any) -> str:
    is_bearer = (flow.header.lower(), flow.prefix) == ("authorization", "Bearer ")
    return _BEARER if is_bearer else f"{flow.header}: ***"


_FORMS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (LoginRequest, _of_request),
    (OAuthFlow, lambda _: _BEARER),
    (PastedToken, _of_token),
    (PastedCookie, lambda flow: f"Cookie: {flow.cookie}=***" if flow.cookie else "Cookie: ***"),
    (HttpBasic, lambda _: "Authorization: Basic ***"),
    (CertificateFile, lambda _: "a client certificate"),
)
