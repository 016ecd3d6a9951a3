"""Ways from credentials to a permit.

Each flow is a frozen record that a plugin puts on its :class:`~vo_auth.Archive`.
"""

from __future__ import annotations

from .held import CertificateFile, HttpBasic, PastedCookie, PastedToken
from .jwt import read_claims
from .login_request import LoginFunction, LoginRequest
from .oauth import PasswordGrant

__all__ = [
    "CertificateFile",
    "HttpBasic",
    "LoginFunction",
    "LoginRequest",
    "PasswordGrant",
    "PastedCookie",
    "PastedToken",
    "read_claims",
]
