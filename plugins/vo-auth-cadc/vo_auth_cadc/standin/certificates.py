"""Client certificates: issued and read as the archive's ``cred`` does.

Source: ``GetCertAction.java`` of opencadc/cdp. Not an RFC 3820 proxy: a certificate that the archive's own authority
has signed, for a short time. The sandbox's authority signs here; its key is elliptic where the archive's is RSA.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from vo_auth.sandbox import Authority

__all__ = ["issue_certificate", "subject_of"]

_PARTS = {
    "cn": NameOID.COMMON_NAME,
    "ou": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "o": NameOID.ORGANIZATION_NAME,
    "c": NameOID.COUNTRY_NAME,
}


def issue_certificate(authority: Authority, distinguished_name: str, *, start: float, end: float) -> str:
    """Issue a certificate with a key of its own.

    Parameters
    ----------
    authority
        Signs it.
    distinguished_name
        Its subject, in the archive's canonical form.
    start, end
        Seconds since the epoch.

    Returns
    -------
    str
        PEM: the certificate, its key (PKCS#1), the authority's certificate.
    """
    signer = x509.load_pem_x509_certificate(authority.pem)
    signing_key = load_pem_private_key(authority.ca.private_key_pem.bytes(), password=None)
    assert isinstance(signing_key, ec.EllipticCurvePrivateKey)
    identifier = signer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name(distinguished_name))
        .issuer_name(signer.subject)
        .public_key(key.public_key())
        .serial_number(time.time_ns() // 10_000)
        .not_valid_before(_moment(start))
        .not_valid_after(_moment(end))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
        .sign(signing_key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return b"".join([certificate.public_bytes(Encoding.PEM), private, authority.pem]).decode()


def subject_of(der: bytes) -> str:
    """Return a certificate's subject in the archive's canonical form: lower case, from ``cn`` to ``c``.

    Parameters
    ----------
    der
        The certificate, verified before.

    Returns
    -------
    str
        As ``cn=…,ou=…,o=…,c=…``; parts that are missing are left out.
    """
    subject = x509.load_der_x509_certificate(der).subject
    found = [(part, str(item.value)) for part, oid in _PARTS.items() for item in subject.get_attributes_for_oid(oid)]
    return ",".join(f"{part}={value}" for part, value in found).lower()


def _name(distinguished_name: str) -> x509.Name:
    pairs = [part.partition("=")[::2] for part in distinguished_name.split(",")]
    return x509.Name(
        [x509.NameAttribute(_PARTS[part], value, _validate=part != "c") for part, value in pairs]
    )  # the archive writes the country in lower case


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=int(seconds))
