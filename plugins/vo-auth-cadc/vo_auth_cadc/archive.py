"""CADC and CANFAR, as data; sources: ac, cdp, core and reg of opencadc, and cadctools."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from vo_auth import Secret
from vo_auth.archive import Answer, Archive, Grant, Known, KnownFile, Pages, Verdict, WhoAmI, judge_status
from vo_auth.domain import Domain
from vo_auth.errors import UnusableCredentialsError
from vo_auth.flows import CertificateFile
from vo_auth.permit import CertificatePermit

from .flow import BearerToken, CopiedToken, DelegatedCertificate, SsoCookie, token_in
from .token import domains_of

__all__ = ["CADC", "judge", "narrow"]

_CADC, _CANFAR = "cadc-ccda.hia-iha.nrc-cnrc.gc.ca", "canfar.net"
_PARTS = {_CANFAR: ("ws-cadc", "cadc-west-01", "ws-uv", "ws-sf"), _CADC: ("ws", "www")}
_HOSTS = tuple(f"{part}.{end}" for end, parts in _PARTS.items() for part in parts)
_LOGIN, _GENERATE = f"https://ws-cadc.{_CANFAR}/ac/login", f"https://ws.{_CADC}/cred/generate"
# The registry is public, and at the login programs show what they have.
_DOMAINS = tuple(Domain(f"https://{host}", upgrade_http=True, anonymous=("reg", "ac/login")) for host in _HOSTS)


def judge(answer: Answer) -> Verdict:
    """Say what an answer means: challenges stand on every answer to the anonymous, and on no other."""
    challenges = answer.headers.get("WWW-Authenticate", "")
    if answer.status == 401 and ("invalid_token" in challenges or b"invalid cookie" in answer.peek(64)):
        return Verdict.DEAD
    if answer.status == 403 and b"invalid proxy cert" in answer.peek(128):
        return Verdict.DEAD
    if answer.status < 400 and challenges and "X-VO-Authenticated" not in answer.headers:
        return Verdict.ANONYMOUS
    return judge_status(answer)


def narrow(grant: Grant) -> tuple[Domain, ...] | None:
    """Return the domains whose hosts a token lists; a certificate lists none."""
    ends = [f".{end}" for end in domains_of(token_in(grant))]
    within = tuple(item for item in _DOMAINS if f".{item.origin.host}".endswith(tuple(ends)))
    return within if ends else None


def _user(answer: Answer) -> str:
    """Read whoami's redirect to ``/ac/users/NAME``; a 401 is for nobody."""
    _, found, name = urlsplit(answer.location).path.rpartition("/ac/users/")
    if not found and answer.status != 401:
        raise ValueError("not an answer of whoami")
    return name if found else ""


def _read(text: str) -> Mapping[str, Secret] | None:
    return {"certificate": Secret(text)} if "-----BEGIN CERTIFICATE-----" in text else None


def _write(_values: Mapping[str, Secret], grant: Grant) -> str:
    if isinstance(grant.permit, CertificatePermit):
        return grant.permit.pem.reveal()
    what = f"That file is for a certificate, and the permit is a {grant.permit.kind}"
    raise UnusableCredentialsError(f'{what}: add --force --flow "delegated certificate"')


_FILE = KnownFile(path="~/.ssl/cadcproxy.pem", read=_read, write=_write)  # of cadcutils, canfar and vos
CADC = Archive(
    name="cadc",
    title="CADC",
    domains=_DOMAINS,
    flows=(
        CertificateFile(),
        DelegatedCertificate(url=_LOGIN, generate_url=_GENERATE),
        BearerToken(url=_LOGIN),
        SsoCookie(url=_LOGIN),
        CopiedToken(),
    ),
    cookies=("CADC_SSO",),
    silent=True,  # an ended certificate may be taken for none, and the anonymous see fewer rows with status 200
    judge=judge,
    narrow=narrow,
    whoami=WhoAmI(path="/ac/whoami", read=_user),
    groups=f"https://ws-cadc.{_CANFAR}/ac/search",
    known=Known(environment={"certificate": ("CANFAR_CERTIFICATE",)}, files=(_FILE,)),
    pages=Pages(register=f"https://www.{_CADC}/en/auth/request.html"),
)
