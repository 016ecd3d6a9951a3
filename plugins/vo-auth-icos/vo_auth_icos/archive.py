"""ICOS Carbon Portal (with ICOS Cities) and SITES, as data; sources: cpauth and data of ICOS-Carbon-Portal."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from vo_auth.archive import Answer, Archive, Known, KnownFile, Pages, Verdict, WhoAmI, judge_status
from vo_auth.domain import Domain
from vo_auth.flows import LoginRequest, PastedCookie

from .cookie import end_of, owner_of, read_file, write_file

__all__ = ["ICOS", "SITES", "judge"]

_PUBLIC = ("licence", "licence_accept", "portal", "stats")  # metadata is at hosts that are no domain at all


def judge(answer: Answer) -> Verdict:
    """Say what an answer means: a 401 is about the cookie, never about rights; a dead one may get the licence page."""
    here, there = urlsplit(answer.url), urlsplit(answer.location)
    led_there = there.path == "/licence" and there.hostname == here.hostname
    if led_there or (answer.status == 403 and b"licence" in answer.peek(512)):
        return Verdict.LICENCE
    return Verdict.DEAD if answer.status == 401 else judge_status(answer)


def _email(answer: Answer) -> str:
    """Read ``{"email": …}``: null for nobody, always with status 200."""
    told = json.loads(answer.peek(4096)) if answer.status == 200 else None
    if not isinstance(told, dict) or "email" not in told:
        raise ValueError("not an answer of whoami")
    return str(told["email"] or "")


def _archive(name: str, title: str, *, cookie: str, auth: str, data: tuple[str, ...]) -> Archive:
    login = LoginRequest(
        url=f"{auth}/password/login",
        fields={"mail": "username", "password": "password"},
        answer=f"cookie:{cookie}",
        present=f"cookie:{cookie}",
        rejected=(403,),
        life=100_000,
        expires=end_of,
    )
    file = KnownFile(path=f"~/.icoscp/{cookie}_auth_conf.json", read=read_file, write=write_file)
    return Archive(
        name=name,
        title=title,
        domains=tuple(Domain(host, upgrade_http=True, anonymous=_PUBLIC) for host in data),
        flows=(login, PastedCookie(cookie=cookie, expires=end_of, owner=owner_of)),
        judge=judge,
        whoami=WhoAmI(path="/whoami", read=_email),
        known=Known(files=(file,)),
        pages=Pages(register=f"{auth}/login/", token=f"{auth}/", profile=f"{auth}/home/", licence=f"{data[0]}/licence"),
    )


_ICOS_DATA = ("https://data.icos-cp.eu", "https://citydata.icos-cp.eu")
ICOS = _archive("icos", "ICOS Carbon Portal", cookie="cpauthToken", auth="https://cpauth.icos-cp.eu", data=_ICOS_DATA)
_SITES_DATA = ("https://data.fieldsites.se",)
SITES = _archive("sites", "SITES", cookie="fieldsitesToken", auth="https://auth.fieldsites.se", data=_SITES_DATA)
