"""Transport adapters: what they tell of the connections they make, and those that present a client certificate."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeGuard

from requests.adapters import BaseAdapter, HTTPAdapter

if TYPE_CHECKING:
    import ssl

    from requests import PreparedRequest

    from .permit import Permit

__all__ = ["CertifiedAdapter", "dials_as_written", "dials_nothing", "is_unverified", "tells"]

# Adapters of test libraries that dial nothing, and so have no connection to ask about.
_DIAL_NOTHING = frozenset({"requests_mock.adapter.Adapter"})


class CertifiedAdapter(HTTPAdapter):
    """Connections that present one client certificate."""

    def __init__(self, permit: Permit, like: BaseAdapter) -> None:
        self._permit = permit  # kept, so that nobody else gets its id
        self._context: ssl.SSLContext | None = replace(permit).present("").ssl_context  # made anew
        super().__init__(max_retries=getattr(like, "max_retries", 0))

    def build_connection_pool_key_attributes(self, request: PreparedRequest, verify: Any, cert: Any = None) -> Any:
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {**pool, "ssl_context": self._context}


def tells(inner: BaseAdapter) -> TypeGuard[HTTPAdapter]:
    """Say whether an adapter can be asked where it connects to."""
    return hasattr(inner, "build_connection_pool_key_attributes")


def dials_nothing(inner: BaseAdapter) -> bool:
    """Say whether an adapter belongs to a test library and makes no connection."""
    return any(f"{kind.__module__}.{kind.__qualname__}" in _DIAL_NOTHING for kind in type(inner).__mro__)


def dials_as_written(inner: BaseAdapter) -> bool:
    """Say whether an adapter dials what the URL says, as ``HTTPAdapter`` does, and not what a subclass decides."""
    ask = getattr(inner.build_connection_pool_key_attributes, "__func__", None) if tells(inner) else None
    return ask is HTTPAdapter.build_connection_pool_key_attributes


def is_unverified(inner: BaseAdapter) -> bool:
    """Say whether an adapter was built to connect without checking certificates, whatever ``verify`` says."""
    settings = getattr(getattr(inner, "poolmanager", None), "connection_pool_kw", None) or {}
    return settings.get("cert_reqs") in ("CERT_NONE", "NONE", 0) or settings.get("assert_hostname") is False
