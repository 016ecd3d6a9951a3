"""The page that a browser shows at the end of a login: plain HTML, without a script and without a secret."""

from __future__ import annotations

import base64
import hashlib
import html

from .text import plain_text

__all__ = ["HEADERS", "final_page"]

_STYLE = """
:root { color-scheme: light dark; --paper: #f4f5f9; --card: #fff; --ink: #1b2030; --soft: #5b6274;
  --line: #e2e5ee; --mark: #2b6a4d; --halo: #e0f2e8; }
body.failed { --mark: #a23b2f; --halo: #fbe6e3; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #0f1320; --card: #181d2d; --ink: #e8ebf5; --soft: #a2a9bd; --line: #2a3146; --mark: #7fd3a6;
    --halo: #1d3a30; }
  body.failed { --mark: #f0988c; --halo: #43231f; }
}
* { box-sizing: border-box; margin: 0; }
body { min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; background: var(--paper);
  color: var(--ink); font: 1.05rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { width: 100%; max-width: 27rem; padding: 2.75rem 2.25rem 2rem; text-align: center; background: var(--card);
  border: 1px solid var(--line); border-radius: 1rem; box-shadow: 0 1rem 3rem rgb(20 25 45 / 8%); }
svg { width: 4rem; height: 4rem; margin-bottom: 1.25rem; }
circle { fill: var(--halo); }
path { fill: none; stroke: var(--mark); stroke-width: 4; stroke-linecap: round; stroke-linejoin: round; }
h1 { font-size: 1.45rem; line-height: 1.25; font-weight: 650; overflow-wrap: anywhere; text-wrap: balance; }
p { margin-top: .75rem; color: var(--soft); overflow-wrap: anywhere; text-wrap: balance; }
footer { margin-top: 1.75rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft);
  font-size: .85rem; }
"""
_MARKS = {
    "done": '<path d="M20 33l9 9 16-19"/>',
    "failed": '<path d="M32 19v17M32 44.5v.5"/>',
}
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def final_page(*, heading: str, text: str, has_failed: bool = False) -> str:
    """Return the page.

    Parameters
    ----------
    heading
        What happened, in a few words.
    text
        What to do next, in a sentence or two.
    has_failed
        Whether it is the page of a login that did not come to its end.

    Returns
    -------
    str
        A whole HTML document.
    """
    state = "failed" if has_failed else "done"
    heading, text = (html.escape(plain_text(item, limit=300)) for item in (heading, text))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{heading}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f'<body class="{state}">\n<main role="{"alert" if has_failed else "status"}">\n'
        f'<svg viewBox="0 0 64 64" aria-hidden="true"><circle cx="32" cy="32" r="32"/>{_MARKS[state]}</svg>\n'
        f"<h1>{heading}</h1>\n<p>{text}</p>\n"
        "<footer>Shown by vo_auth on your own computer.</footer>\n</main>\n</body>\n</html>\n"
    )
