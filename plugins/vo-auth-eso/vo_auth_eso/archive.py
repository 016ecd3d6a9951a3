"""The ESO Science Archive, as data.

Sources: ESO's page "Authentication & Authorisation" for programmatic access, its notebook, and astroquery's ``eso``
module. What none of them states stays configurable.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from vo_auth.archive import Answer, Archive, KeyringEntry, Known, Pages, Verdict, judge_status
from vo_auth.domain import Domain
from vo_auth.flows import PasswordGrant, PastedToken

__all__ = ["ESO", "judge"]

_LOGIN_HOST = "www.eso.org"
# What the form of a CAS login page has, and no page with a mere link to it: its hidden fields.
_FORM_FIELDS = (b'name="execution"', b'name="lt"')


def judge(answer: Answer) -> Verdict:
    """Say what an answer of ESO's means.

    A login page is recognised by where a redirect leads, or by a sign-on form in the first bytes of an HTML answer;
    never by ``text/html`` alone.

    Parameters
    ----------
    answer
        The answer.

    Returns
    -------
    Verdict
        LOGIN_PAGE, or what the status says: ESO's data portal answers 401 to the anonymous and the not entitled alike.
    """
    location = urlsplit(answer.location)
    if location.hostname == _LOGIN_HOST and location.path.startswith("/sso/"):
        return Verdict.LOGIN_PAGE
    if answer.status == 200 and answer.headers.get("Content-Type", "").startswith("text/html"):
        start = answer.peek(8192)
        if b"<form" in start and any(field in start for field in _FORM_FIELDS):
            return Verdict.LOGIN_PAGE
    return judge_status(answer)


ESO = Archive(
    name="eso",
    title="ESO Science Archive",
    domains=(
        Domain("https://archive.eso.org", upgrade_http=True, anonymous=("tap_cat",)),
        Domain("https://dataportal.eso.org", upgrade_http=True),
    ),
    flows=(
        PasswordGrant(
            token_url="https://www.eso.org/sso/oidc/token",
            client_id="clientid",  # the literal words of ESO's own page: public placeholders
            client_secret="clientSecret",
            method="GET",
            parameters={"response_type": "id_token token"},
            token_field="id_token",
        ),
        PastedToken(),
    ),
    silent=True,
    judge=judge,
    known=Known(keyring=(KeyringEntry(service="astroquery:www.eso.org"),)),
    pages=Pages(
        register="https://www.eso.org/UserPortal",
        rights="https://archive.eso.org/cms/eso-data/programmatic-access/authentication-and-authorisation.html",
    ),
)
