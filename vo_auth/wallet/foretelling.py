"""When a job will stop: the end of a permit that nothing at hand renews."""

from __future__ import annotations

import time

from ..duration import in_words
from .held import Held, Want
from .kept import is_for_passwords
from .logins import Logins
from .standing import Standing

__all__ = ["foretold"]

_FAR = 7 * 86_400.0  # no job is told of an end beyond that


def foretold(want: Want, held: Held, *, standing: Standing, logins: Logins) -> str:
    """Return when work with a permit will stop and what to do, for a person; empty when it renews without one.

    Parameters
    ----------
    want, held
        What was wanted, and the permit.
    standing, logins
        Of the wallet.
    """
    left = standing.left(held)
    if left is None or left > _FAR or held.grant.refresh is not None or logins.renews(want):
        return ""
    end = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(held.grant.expires))
    title, name = want.archive.title, want.archive.name
    first = f"The permit for {title} ends at {end}, and nothing at hand renews it: "
    if want.wait > 0:
        return f"{first}a longer job pauses then, for {in_words(want.wait)}, until you run `vo-auth login {name}`"
    return f"{first}a longer job stops then; {_remedy(want)}"


def _remedy(want: Want) -> str:
    archive = want.archive
    if any(is_for_passwords(flow) for flow in archive.flows_of(want.account.label)):
        prefix = archive.variable_prefix
        return (
            f"before one, run `vo-auth login {archive.name} --keep-password`, or set {prefix}USERNAME and "
            f"{prefix}PASSWORD"
        )
    page = f" at {archive.pages.token}" if archive.pages.token else ""
    return f"before one, get a new permit{page}, or let it wait for one: session_for(…, wait_for_login='2h')"
