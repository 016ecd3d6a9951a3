"""``vo-auth explain``."""

from __future__ import annotations

from typing import Annotated

import typer
from requests import RequestException
from requests.exceptions import InvalidURL, MissingSchema

from ..errors import VoAuthError
from ..explanation import explain as explain_url
from .options import AccountOption, JsonOption, Url
from .output import print_json

__all__ = ["explain"]


def explain(
    url: Url,
    account: AccountOption = None,
    ask: Annotated[
        bool, typer.Option("--ask", help="Also send one request with the permit, and show what the server says.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what a request to a URL would be sent with, and why.

    Nothing secret is shown, and nothing is sent without --ask.

    Example: vo-auth explain https://archive.eso.org/tap_obs
    """
    try:
        explanation = explain_url(url, account=account, ask=ask)
    except VoAuthError:
        raise
    except (InvalidURL, MissingSchema, RequestException):
        raise typer.BadParameter("this is no URL that can be requested; it begins with https://") from None
    if as_json:
        print_json({"decision": explanation.decision, "said": explanation.said})
    else:
        typer.echo(str(explanation))
    if explanation.said is not None and explanation.said.error:
        raise typer.Exit(1)
