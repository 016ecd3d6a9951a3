"""The page at the end of a login: plain, safe, and without a secret."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from authority import Seen, fetch
from hypothesis import given
from hypothesis import strategies as st

from vo_auth.flows.loopback import Loopback
from vo_auth.flows.page import final_page
from vo_auth.flows.text import plain_text

STATE = "state-fake-" + "x" * 32


@pytest.fixture
def page() -> Iterator[Seen]:
    with Loopback(title="A", state=STATE, path="/a") as here:
        fetch(f"{here.redirect_uri}?code=code-fake&state={STATE}")
        here.end("You are logged in to A", "Close this window.")
        yield fetch(here.redirect_uri.removesuffix("/a") + here.final_path)


def policy(page: Seen) -> dict[str, str]:
    return dict(item.strip().partition(" ")[::2] for item in page.headers["Content-Security-Policy"].split(";"))


def test_its_headers_let_nothing_in_and_nothing_out(page: Seen) -> None:
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    rules = policy(page)
    for name in ("default-src", "base-uri", "form-action", "frame-ancestors"):
        assert rules[name] == "'none'"
    assert page.headers["Server"].startswith("vo_auth")
    assert "Python" not in str(page.headers)


def test_its_style_is_the_one_that_its_policy_allows(page: Seen) -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", page.body, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy(page)["style-src"] == f"'sha256-{digest}'"
    assert "prefers-color-scheme: dark" in style
    assert "url(" not in style


def test_it_holds_no_secret_and_no_script_and_fetches_nothing(page: Seen) -> None:
    for secret in ("code-fake", STATE):
        assert secret not in page.body + str(page.headers)
    assert not re.search(r"<script|<link|<img|<iframe|\son\w+=|style=|javascript:|https?://", page.body)


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def read(document: str) -> Reader:
    reader = Reader()
    reader.feed(document)
    return reader


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", '"><img src=x>', "</style><b>", "&lt;", "\x1b[31m\u202e"]
)
def test_a_text_stays_text(text: str) -> None:
    document = final_page(heading=text, text=text, has_failed=True)
    assert read(document).tags == read(final_page(heading="x", text="x", has_failed=True)).tags
    assert "\x1b" not in document
    assert "\u202e" not in document


def test_a_failure_looks_like_one() -> None:
    done, failed = (final_page(heading="x", text="y", has_failed=state) for state in (False, True))
    assert 'class="done"' in done
    assert 'role="status"' in done
    assert 'class="failed"' in failed
    assert 'role="alert"' in failed


# ---------------------------------------------------------------- text of servers


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("plain", "plain"),
        ("två ord 🔭", "två ord 🔭"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPq#0\x1b\\after", "after"),
        ("\x1b]0;never ends", ""),
        ("a\x1bcb", "ab"),
        ("one\r\ntwo\ttabs\u2028three", "one two tabs three"),
        ("\u202egnp.exe\u202c \u2066x\u2069 \u200fy\u200b", "gnp.exe x y"),
        ("a\x00b\x07c\x7fd", "abcd"),
        ("\ud800\ue000", ""),
        ("x" * 300, "x" * 199 + "…"),
    ],
)
def test_text_of_a_server_is_text_and_nothing_more(given: str, shown: str) -> None:
    assert plain_text(given) == shown


@given(st.text())
def test_no_text_has_a_control_in_the_end(text: str) -> None:
    shown = plain_text(text)
    assert shown.isprintable() or all(char.isprintable() or char == " " for char in shown)
    assert len(shown) <= 200
    assert plain_text(shown) == shown
