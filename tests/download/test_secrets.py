"""What in a URL may be a permit (its query, its userinfo) is shown nowhere, and kept nowhere but by who asked."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import pytest
import requests
from faulty_server import BIG, Server

import vo_auth
from vo_auth.errors import DownloadError
from vo_auth.testing import assert_no_secret
from vo_auth.transfer import Event, shown

SIGNATURE, PASSWORD = "obviously-fake-signature", "obviously-fake-password"
FAULTS: dict[str, dict[str, object]] = {
    "well": {},
    "broken": {"data": BIG, "cuts": [300_000]},
    "missing": {"status": 404},
    "refused": {"status": 403},
    "busy": {"status": 503},
    "page": {"data": b"<!doctype html>", "content_type": "text/html"},
    "loop": {"status": 302},
    "nowhere": {"status": 302, "headers": {"Location": f"http://127.0.0.1:9/?sig={SIGNATURE}"}},
    "odd": {"status": 302, "headers": {"Location": f"gopher://x/?sig={SIGNATURE}"}},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_signature_is_in_no_file_event_log_warning_or_text(
    fault: str, server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = server.add(f"/{fault}.fits", **FAULTS[fault]) + f"?X-Sig={SIGNATURE}"
    if fault == "loop":
        server.pages[f"/{fault}.fits"].headers["Location"] = url
    url = url.replace("http://", f"http://pi:{PASSWORD}@")
    events: list[Event] = []
    error = None
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with requests.Session() as session:
            try:
                there = vo_auth.download(url, tmp_path, session=session, retries=0, progress=events.append)
            except DownloadError as raised:
                error, there = raised, []
    assert (error is None) is (fault in ("well",))
    texts = [str(error), repr(error), repr(there), *(repr(one) for one in getattr(error, "failed", []))]
    reasons = [one.error for one in getattr(error, "failed", [])]
    assert events
    assert_no_secret(
        [SIGNATURE, PASSWORD], tmp_path, events, caplog.records, [str(one.message) for one in caught], texts, reasons
    )
    if error is not None:
        assert [one.url for one in error.failed] == [url]  # who asked may ask again


def test_what_urllib3_logs_outside_of_downloads_is_its_own(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    url = server.add("/x.fits") + f"?X-Sig={SIGNATURE}"
    with caplog.at_level(logging.DEBUG), requests.Session() as session:
        session.get(url)
    assert SIGNATURE in caplog.text


@pytest.mark.parametrize(
    ("url", "text"),
    [
        (f"https://pi:{PASSWORD}@x.example.org:8/a?b={SIGNATURE}#c", "https://x.example.org:8/a?…"),
        ("https://x.example.org/a\x1b[2J\u202e", "https://x.example.org/a�[2J�"),
        ("http://[", "(a URL that cannot be read)"),
        ("", ""),
    ],
)
def test_a_url_is_shown_without_what_may_be_secret_or_turns_the_screen(url: str, text: str) -> None:
    assert shown(url) == text
