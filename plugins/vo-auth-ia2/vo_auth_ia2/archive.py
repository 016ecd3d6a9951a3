"""IA2, the archives of INAF (TNG, LBT and others), as data.

Sources: IA2's own talk on group membership and tokens (an IVOA meeting), the sign-on of the public program
ViaLacteaVisualAnalytics, and the addresses in public programs that query TAP. What none of them states is marked
UNVERIFIED here; the user's configuration file changes it, without a new release.
"""

from __future__ import annotations

from vo_auth.archive import Archive, Pages
from vo_auth.domain import Domain
from vo_auth.flows import AuthorizationCode, ClientCredentials, Endpoints, OAuthServer, PastedToken

__all__ = ["IA2", "LocalAccount"]

_RAP = "https://sso.ia2.inaf.it/rap-ia2"
_ARCHIVES = "https://archives.ia2.inaf.it"
_GMS = "https://gms.ia2.inaf.it/gms"  # UNVERIFIED
_TOKEN_PAGE = f"{_RAP}/"  # the token issuer's own address is UNVERIFIED; this is RAP's start page
_SCOPE = "openid read:gms read:rap"

_SERVER = OAuthServer(
    issuer=_RAP,  # UNVERIFIED, and whether it has a discovery document
    fallback=Endpoints(
        token_url=f"{_RAP}/auth/oauth2/token",
        authorization_url=f"{_RAP}/auth/oauth2/authorize",
        jwks_url=f"{_RAP}/auth/oidc/jwks",  # UNVERIFIED
    ),
)


class LocalAccount(ClientCredentials):
    """The client credentials grant with user name and password of a local account, by HTTP Basic as they are.

    IA2 offers it to people who work with scripts: they link such an account to their identity.
    """

    __slots__ = ()
    name = "local account"


IA2 = Archive(
    name="ia2",
    title="IA2 (INAF)",
    domains=(
        Domain(f"{_ARCHIVES}/vo", upgrade_http=True),
        Domain(f"{_ARCHIVES}/files", upgrade_http=True),
        Domain(_GMS),
    ),
    flows=(
        LocalAccount(server=_SERVER, asks=("username", "password"), client_auth="plain basic"),
        ClientCredentials(server=_SERVER, client_auth="plain basic"),
        # Servers compare all of a loopback address but its port (RFC 8252, section 7.3).
        AuthorizationCode(server=_SERVER, scope=_SCOPE, redirect_path="/callback", client_auth="plain basic"),
        PastedToken(),
    ),
    silent=True,  # UNVERIFIED what TAP answers to an ended token: so none is sent
    by_audience=True,
    groups=f"{_GMS}/search",
    pages=Pages(register=f"{_RAP}/", token=_TOKEN_PAGE),
)
