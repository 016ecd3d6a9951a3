"""Where everything is at IA2: the one place of the stand-in's host names and paths.

Known from public clients: the host names of RAP and of the archives, the paths of authorize, token, TAP and files.
UNVERIFIED, and ours until somebody knows better: everything of GMS, the paths of the key set, of the discovery
document, of revocation and of the page that issues tokens, the issuer's name, the names of the audiences.
"""

from __future__ import annotations

__all__ = [
    "ARCHIVES_HOST",
    "AUDIENCES",
    "AUTHORIZE_PATH",
    "CONSENT_PATH",
    "DATALINK_PATH",
    "DISCOVERY_PATHS",
    "FILES_PATH",
    "GMS_HOST",
    "GMS_PATH",
    "HOSTS",
    "ISSUER",
    "JWKS_PATH",
    "LOGIN_PATH",
    "RAP_HOST",
    "RAP_ORIGIN",
    "REVOKE_PATH",
    "SCOPES",
    "START_PATH",
    "TAP_PATH",
    "TOKEN_PAGE_PATH",
    "TOKEN_PATH",
]

RAP_HOST, ARCHIVES_HOST, GMS_HOST = HOSTS = ("sso.ia2.inaf.it", "archives.ia2.inaf.it", "gms.ia2.inaf.it")

RAP_ORIGIN = f"https://{RAP_HOST}"
ISSUER = f"{RAP_ORIGIN}/rap-ia2"
AUTHORIZE_PATH = "/rap-ia2/auth/oauth2/authorize"
TOKEN_PATH = "/rap-ia2/auth/oauth2/token"
JWKS_PATH = "/rap-ia2/auth/oidc/jwks"
REVOKE_PATH = "/rap-ia2/auth/oauth2/revoke"
START_PATH = "/rap-ia2/"
LOGIN_PATH = "/rap-ia2/login"
CONSENT_PATH = "/rap-ia2/consent"
TOKEN_PAGE_PATH = "/rap-ia2/token-issuer"
# Both forms: OpenID Connect Discovery 1.0, section 4, and RFC 8414, section 3.
DISCOVERY_PATHS = ("/rap-ia2/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/rap-ia2")

TAP_PATH = "/vo/tap"
FILES_PATH = "/files"
DATALINK_PATH = "/vo/datalink/links"
GMS_PATH = "/gms/search"

SCOPES = ("openid", "read:gms", "read:rap")  # those that a public client asks for

AUDIENCES = {
    "tap": f"https://{ARCHIVES_HOST}/vo",
    "files": f"https://{ARCHIVES_HOST}{FILES_PATH}",
    "gms": f"https://{GMS_HOST}/gms",
}
"""What each service wants to find in a token's ``aud``."""
