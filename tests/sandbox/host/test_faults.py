"""Misbehaviour on demand."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime

import pytest
import requests

from vo_auth.sandbox import Fault, Sandbox

URL = "https://archive.toy.example/token?grant=x"


def arm(sandbox: Sandbox, *faults: Fault) -> list[Fault]:
    armed = sandbox.bench("toy").knobs["fail_on"] = list(faults)
    return armed


def test_a_fault_answers_in_the_place_of_the_stand_in_and_is_used_up(sandbox: Sandbox) -> None:
    armed = arm(sandbox, Fault(path_regex="^/token$", status=500, body="Grüße", headers={"X-Why": "test"}))
    answer = requests.get(URL)
    assert (answer.status_code, answer.text, answer.headers["X-Why"]) == (500, "Grüße", "test")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert armed == []
    assert requests.get(URL).json()["visits"] == 1
    assert len(sandbox.received) == 2, "the failed request is written down, too"


def test_what_is_left_of_a_fault_stands_in_the_list(sandbox: Sandbox) -> None:
    armed = arm(sandbox, Fault(path_regex="/token", times=3), Fault(path_regex="/never"))
    assert requests.get(URL).status_code == 503
    assert [fault.times for fault in armed] == [2, 1]


def test_a_fault_without_an_end_stays(sandbox: Sandbox) -> None:
    arm(sandbox, Fault(path_regex="/token", times=None, status=429))
    assert {requests.get(URL).status_code for _ in range(3)} == {429}


def test_a_fault_concerns_only_its_method_its_path_and_its_archive(sandbox: Sandbox) -> None:
    arm(sandbox, Fault(path_regex="grant", times=None), Fault(path_regex="/token", method="post", times=None))
    sandbox.bench("ivoa").knobs["fail_on"] = [Fault(path_regex="", times=None)]
    assert requests.get(URL).status_code == 200
    assert requests.post(URL).status_code == 503


def test_a_tuple_of_faults_works_as_well(sandbox: Sandbox) -> None:
    sandbox.bench("toy").knobs["fail_on"] = (Fault(path_regex="/token"),)
    assert [requests.get(URL).status_code for _ in range(2)] == [503, 200]


def test_threads_use_a_fault_up_exactly_as_often_as_it_says(sandbox: Sandbox) -> None:
    arm(sandbox, Fault(path_regex="/token", times=7))
    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(lambda _: requests.get(URL).status_code, range(30)))
    assert (statuses.count(503), statuses.count(200)) == (7, 23)


def test_a_dropped_connection_has_no_answer(sandbox: Sandbox) -> None:
    arm(sandbox, Fault(path_regex="/token", drop=True))
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(URL)
    assert requests.get(URL).status_code == 200


@pytest.mark.parametrize(("status", "expected"), [(503, 302), (307, 307)])
def test_a_redirect_leads_elsewhere(sandbox: Sandbox, status: int, expected: int) -> None:
    arm(sandbox, Fault(path_regex="/token", status=status, redirect="https://data.toy.example/landed"))
    answer = requests.get(URL)
    assert [hop.status_code for hop in answer.history] == [expected]
    assert answer.url == "https://data.toy.example/landed"


def test_a_slow_answer_may_still_be_the_right_one(sandbox: Sandbox) -> None:
    arm(sandbox, Fault(path_regex="/token", status=0, delay=0.2))
    started = time.monotonic()
    assert requests.get(URL).json()["visits"] == 1
    assert time.monotonic() - started >= 0.2


def test_a_running_delay_does_not_hold_up_the_end(sandbox: Sandbox) -> None:
    arm(sandbox, Fault(path_regex="/token", delay=60))
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(URL, timeout=0.2)
    started = time.monotonic()
    sandbox.__exit__(None, None, None)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("path", ["/", "/fail", "/faulty"])
def test_a_skewed_clock_shows_in_the_date_of_every_answer(sandbox: Sandbox, path: str) -> None:
    bench = sandbox.bench("toy")
    bench.knobs["clock_skew"] = -3600
    arm(sandbox, Fault(path_regex="/faulty"))
    date = parsedate_to_datetime(requests.get(f"https://archive.toy.example{path}").headers["Date"])
    assert date.timestamp() == pytest.approx(time.time() - 3600, abs=5)
    assert bench.now() == pytest.approx(time.time() - 3600, abs=5)


def test_the_clock_of_another_archive_is_right(sandbox: Sandbox) -> None:
    sandbox.bench("toy").knobs["clock_skew"] = 3600
    date = parsedate_to_datetime(requests.get("http://www.ivoa.net/").headers["Date"])
    assert date.timestamp() == pytest.approx(time.time(), abs=5)
