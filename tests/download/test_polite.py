"""How hard a host is asked: so many at once, rests where it asks for them, and an end to all patience."""

from __future__ import annotations

import threading
import time
from itertools import pairwise
from pathlib import Path
from statistics import mean

import pytest
from faulty_server import Page, Request, Server

from conftest import Fetch
from vo_auth.transfer.rota import Rota, backoff


def busy(_: Request) -> None:
    time.sleep(0.05)


@pytest.mark.parametrize(("workers", "per_host", "most"), [(4, 4, 4), (8, 2, 2), (1, 4, 1)])
def test_no_more_requests_run_at_once_than_are_allowed(
    workers: int, per_host: int, most: int, server: Server, fetch: Fetch
) -> None:
    urls = [server.add(f"/{number}.fits", before=busy) for number in range(12)]
    there, _ = fetch(*urls, workers=workers, per_host=per_host)
    assert len(there) == 12
    assert server.most_busy == most


def test_one_slow_host_does_not_hold_up_another(server: Server, fetch: Fetch) -> None:
    with Server() as slow:
        late = [slow.add(f"/{number}.fits", before=lambda _: slow.go_on.wait(10) and None) for number in range(6)]
        quick = [server.add(f"/{number}.fits") for number in range(20)]

        def release() -> None:
            deadline = time.monotonic() + 10
            while len(server.received) < 20 and time.monotonic() < deadline:
                time.sleep(0.005)
            slow.go_on.set()

        threading.Thread(target=release, daemon=True).start()
        started = time.monotonic()
        there, _ = fetch(*late, *quick, workers=4, per_host=3)
        assert len(there) == 26
        assert time.monotonic() - started < 9  # else the quick ones waited for the slow ones


def test_the_next_file_is_asked_for_while_the_last_one_is_checked(
    server: Server, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vo_auth.transfer import whole

    urls = [server.add(f"/{number}.fits") for number in range(3)]
    real, waited = whole.digest_of, []

    def slow(path: Path, algorithm: str) -> str:
        deadline = time.monotonic() + 20
        while len(server.received) < 3 and time.monotonic() < deadline:
            time.sleep(0.005)
        waited.append(time.monotonic() < deadline)
        return real(path, algorithm)

    monkeypatch.setattr(whole, "digest_of", slow)
    there, _ = fetch(*urls, workers=1, digest="sha256")
    assert len(there) == 3
    assert waited == [True, True, True]
    assert server.most_busy == 1


def test_a_host_that_asks_for_a_rest_gets_one_from_all_workers(server: Server, fetch: Fetch) -> None:
    times: list[float] = []
    answers = iter([Page(status=429, headers={"Retry-After": "1"})])

    def note(_: Request) -> Page | None:
        times.append(time.monotonic())
        page = next(answers, None)
        if page is None:
            time.sleep(0.3)  # longer than it takes to understand the other answer
        return page

    urls = [server.add(f"/{number}.fits", before=note) for number in range(6)]
    there, _ = fetch(*urls, workers=2)
    assert len(there) == 6
    assert len(times) == 7
    assert times[2] - times[0] > 0.9  # one other request may have been under way


def test_a_host_that_fails_everybody_is_given_up_for_all_files(server: Server, fetch: Fetch) -> None:
    urls = [server.add(f"/{number}.fits", status=503) for number in range(50)]
    there, failed = fetch(*urls, retries=2)
    assert there == []
    assert len(failed) == 50
    assert {one.reason.partition(";")[0] for one in failed} == {"127.0.0.1 answers 503 Service Unavailable"}
    assert len(server.received) < 20


def test_a_file_that_fails_alone_does_not_stop_the_host(server: Server, fetch: Fetch) -> None:
    bad = server.add("/bad.fits", status=503)
    urls = [server.add(f"/{number}.fits") for number in range(30)]
    there, failed = fetch(bad, *urls, workers=2)
    assert len(there) == 30
    assert [one.url for one in failed] == [bad]


def test_waits_grow_and_differ() -> None:
    waits = [[backoff(failures, pause=1.0, longest=60.0) for _ in range(200)] for failures in range(1, 10)]
    assert all(mean(one) < mean(other) for one, other in pairwise(waits[:6]))
    assert max(map(max, waits)) <= 60.0
    assert min(waits[0]) >= 0.5
    assert len(set(waits[3])) > 100


def test_a_rota_hands_out_what_is_due_and_stops_when_told() -> None:
    rota: Rota[str] = Rota([("a", "1"), ("a", "2"), ("b", "3")], at_once=4, per_host=1)
    assert rota.take() == ("a", "1")
    assert rota.take() == ("b", "3")
    rota.free("a")
    rota.put_back("a", "1", 0.0)
    assert rota.take() == ("a", "1")  # what has begun comes first
    rota.free("a")
    assert rota.take() == ("a", "2")  # while the other is brought to its end
    for host in "aba":
        assert not rota.is_done
        rota.settle(host)
    assert rota.is_done
    assert rota.take() is None


def test_failures_during_a_rest_count_once() -> None:
    rota: Rota[str] = Rota([("a", str(number)) for number in range(4)], at_once=4, per_host=4)
    counts = [rota.ail("a", wait=None, pause=5.0, longest=60.0) for _ in range(4)]
    assert counts == [1, 1, 1, 1]
    assert rota.ail("a", wait=0.0, pause=5.0, longest=60.0) == 1
