"""Ways from credentials to a permit.

Each flow is a frozen record that a plugin puts on its :class:`~vo_auth.Archive`.
"""

from __future__ import annotations

from .code import AuthorizationCode
from .held import CertificateFile, HttpBasic, PastedCookie, PastedToken
from .jwt import read_claims
from .login_request import LoginFunction, LoginRequest
from .oauth import ClientCredentials, PasswordGrant
from .server import Endpoints, OAuthServer

__all__ = [
    "AuthorizationCode",
    "CertificateFile",
    "ClientCredentials",
    "Endpoints",
    "HttpBasic",
    "LoginFunction",
    "LoginRequest",
    "OAuthServer",
    "PasswordGrant",
    "PastedCookie",
    "PastedToken",
    "read_claims",
]
