"""TLS contexts that present a client certificate and trust whom another one trusts."""

from __future__ import annotations

import ssl
from dataclasses import replace

from .permit import CertificatePermit

__all__ = ["certified_context", "is_verifying"]


def is_verifying(context: ssl.SSLContext | None) -> bool:
    """Say whether a context checks the server's certificate and name."""
    return context is not None and context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname


def certified_context(permit: CertificatePermit, like: ssl.SSLContext) -> ssl.SSLContext:
    """Return a new context with a permit's certificate; the other one, which may be shared, stays as it is.

    Parameters
    ----------
    permit
        The certificate with its key.
    like
        Whose authorities are trusted; those of a folder (``capath``) are known only as far as they were used.
    """
    context = replace(permit).present("").ssl_context  # a permit of its own, so that nothing else shares the context
    assert context is not None
    authorities = like.get_ca_certs(binary_form=True)
    if authorities:
        context.load_verify_locations(cadata=b"".join(authorities))
    else:
        context.load_default_certs()
    context.verify_flags |= like.verify_flags
    return context
