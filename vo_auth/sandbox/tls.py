"""The sandbox's own certificate authority: made at start, known to nobody else, gone at the end."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import TYPE_CHECKING

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["Authority", "peer_certificate"]

_NAME = "vo_auth sandbox (throw-away, trust it nowhere)"


class Authority:
    """A certificate authority for one sandbox.

    Parameters
    ----------
    ca
        An authority of the package trustme; None makes a new one.
    """

    def __init__(self, ca: trustme.CA | None = None) -> None:
        self.ca = ca or trustme.CA(organization_name=_NAME)

    @property
    def pem(self) -> bytes:
        """The authority's own certificate."""
        return self.ca.cert_pem.bytes()

    def issue_client(self, common_name: str) -> trustme.LeafCert:
        """Issue a client certificate that every server of the sandbox accepts.

        Parameters
        ----------
        common_name
            The user's name; it appears in the certificate's subject.

        Returns
        -------
        trustme.LeafCert
            Certificate and private key; ``private_key_and_cert_chain_pem`` is what clients take as one file.
        """
        return self.ca.issue_cert(common_name=common_name, organization_name=_NAME)

    def server_context(self, hosts: Iterable[str]) -> ssl.SSLContext:
        """Make the server's side of TLS, with one certificate for exactly these names.

        A client certificate is asked for and not required; one that is shown must come from this authority. Proxy
        certificates (RFC 3820), which the archives' older tools still use, are accepted.

        Parameters
        ----------
        hosts
            Host names, without port.

        Returns
        -------
        ssl.SSLContext
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*hosts, organization_name=_NAME).configure_cert(context)
        self.ca.configure_trust(context)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VERIFY_ALLOW_PROXY_CERTS
        context.set_alpn_protocols(["http/1.1"])
        return context

    def trust_store(self, password: str) -> bytes | None:
        """Write the authority as a trust store that Java reads.

        Parameters
        ----------
        password
            Java asks for one; it protects nothing here.

        Returns
        -------
        bytes | None
            PKCS#12; None when the installed cryptography (before 45) cannot mark an entry as trusted for Java.
        """
        serialize = getattr(pkcs12, "serialize_java_truststore", None)
        if serialize is None:
            return None
        certificate = x509.load_pem_x509_certificate(self.pem)
        entry = pkcs12.PKCS12Certificate(certificate, b"vo-auth-sandbox")
        store: bytes = serialize([entry], BestAvailableEncryption(password.encode()))
        return store


def peer_certificate(request: web.BaseRequest) -> bytes | None:
    """Return the client certificate that came with a request's connection.

    Parameters
    ----------
    request
        As a stand-in's handler gets it.

    Returns
    -------
    bytes | None
        DER, verified against the sandbox's authority; None when the client showed none.
    """
    transport = request.transport
    tls = transport.get_extra_info("ssl_object") if transport is not None else None
    return tls.getpeercert(binary_form=True) if tls is not None else None
