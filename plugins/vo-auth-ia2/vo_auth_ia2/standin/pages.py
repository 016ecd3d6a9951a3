"""The pages that people see at RAP: plain HTML, no scripts."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from aiohttp import web

from .places import CONSENT_PATH, LOGIN_PATH, TOKEN_PAGE_PATH

__all__ = ["consent_page", "error_page", "login_page", "start_page", "token_page"]

_STYLE = """
body { font-family: sans-serif; background: #eef2f6; margin: 0; }
main { max-width: 26rem; margin: 4rem auto; padding: 2rem; background: #fff; border-radius: .5rem; }
label { display: block; margin-top: 1rem; }
input[type=text], input[type=password], textarea { width: 100%; box-sizing: border-box; padding: .5rem; }
button { margin-top: 1rem; padding: .5rem 1rem; }
.error { color: #a00; }
"""
# Without form-action: browsers would stop the redirect that follows the form, too.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def start_page() -> web.Response:
    """Return the page that leads to the others."""
    return _page("Welcome", f'<h1>RAP of IA2</h1><p><a href="{TOKEN_PAGE_PATH}">Token issuer</a></p>')


def login_page(transaction: str, *, error: str = "") -> web.Response:
    """Return the page that asks who is there.

    Parameters
    ----------
    transaction
        What the login is for.
    error
        Why the last attempt failed.

    Returns
    -------
    web.Response
        HTML; 401 after a failed attempt.
    """
    body = f"""<h1>Log in to IA2</h1>{f'<p class="error">{escape(error)}</p>' if error else ""}
<form method="post" action="{LOGIN_PATH}">
<input type="hidden" name="transaction" value="{escape(transaction)}">
<label for="username">User name</label>
<input type="text" id="username" name="username" autocomplete="username">
<label for="password">Password</label>
<input type="password" id="password" name="password" autocomplete="current-password">
<button id="login" name="method" value="local">Log in</button>
<button id="edugain" name="method" value="edugain">Log in with eduGAIN</button>
</form>"""
    return _page("Log in", body, status=401 if error else 200)


def consent_page(transaction: str, *, client: str, person: str, scopes: tuple[str, ...]) -> web.Response:
    """Return the page that asks whether a program may have what it wants.

    Parameters
    ----------
    transaction
        The authorization request.
    client, person
        The program and the user, in words.
    scopes
        What it wants.

    Returns
    -------
    web.Response
        HTML.
    """
    wishes = "".join(f"<li>{escape(scope)}</li>" for scope in scopes)
    body = f"""<h1>{escape(client)}</h1>
<p>{escape(person)}, this program wants to act for you at IA2:</p><ul>{wishes}</ul>
<form method="post" action="{CONSENT_PATH}">
<input type="hidden" name="transaction" value="{escape(transaction)}">
<button id="allow" name="decision" value="allow">Allow</button>
<button id="deny" name="decision" value="deny">Deny</button>
</form>"""
    return _page("Allow access?", body)


def token_page(*, person: str, token: str = "", ends: str = "") -> web.Response:
    """Return the page that hands a token to a person.

    Parameters
    ----------
    person
        Who is logged in.
    token, ends
        The token and its end in words; empty: none was asked for yet.

    Returns
    -------
    web.Response
        HTML.
    """
    shown = f'<textarea id="token" rows="8" readonly>{escape(token)}</textarea><p>It ends at {escape(ends)}.</p>'
    body = f"""<h1>Token issuer</h1><p>{escape(person)}</p>{shown if token else ""}
<form method="post" action="{TOKEN_PAGE_PATH}">
<button id="show" name="how" value="show">Show a token</button>
<button id="download" name="how" value="file">Download token.txt</button>
</form>"""
    return _page("Token issuer", body)


def error_page(text: str, *, status: int = 400) -> web.Response:
    """Return a page for a request that must lead nowhere else (RFC 6749, section 4.1.2.1).

    Parameters
    ----------
    text
        What is wrong.
    status
        HTTP status.

    Returns
    -------
    web.Response
        HTML.
    """
    return _page("Error", f'<h1>This did not work</h1><p class="error">{escape(text)}</p>', status=status)


def _page(title: str, body: str, *, status: int = 200, headers: Mapping[str, str] = _HEADERS) -> web.Response:
    text = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)} - RAP IA2</title>'
        f"<style>{_STYLE}</style></head><body><main>{body}</main></body></html>\n"
    )
    return web.Response(status=status, text=text, content_type="text/html", headers=headers)
