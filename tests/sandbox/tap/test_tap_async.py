"""Jobs: their life, their owner, their limits; through pyvo and through bare HTTP."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import pyvo
import requests
from astropy.io.votable import parse

QUERY = "select dp_id from dbo.raw where dp_id like 'SECRET%' order by dp_id"
UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"


def submitted(archive: Any, user: str | None = "pi", **form: str) -> tuple[requests.Session, str]:
    """Make a job by hand; return who made it and where it is."""
    session = archive.session(user)
    form = {"LANG": "ADQL", "REQUEST": "doQuery", "QUERY": QUERY, **form}
    answer = session.post(f"{archive.url}/async", data=form, allow_redirects=False)
    assert answer.status_code == 303
    return session, answer.headers["Location"]


def running(archive: Any) -> tuple[requests.Session, str]:
    """Make a job that is under way and may take long."""
    session, url = submitted(archive)
    session.post(f"{url}/executionduration", data={"EXECUTIONDURATION": "90"})
    session.post(f"{url}/phase", data={"PHASE": "RUN"})
    until(session, url, "EXECUTING")
    return session, url


def field(session: requests.Session, url: str, name: str) -> str | None:
    answer = session.get(url)
    assert answer.status_code == 200, answer.text
    return ET.fromstring(answer.content).findtext(f"{UWS}{name}")


def until(session: requests.Session, url: str, phase: str) -> None:
    """Wait by blocking polls until a job is in a phase."""
    end = time.monotonic() + 20
    found = field(session, url, "phase")
    while found != phase:
        assert time.monotonic() < end, f"the job is still {found}"
        found = field(session, f"{url}?WAIT=5&PHASE={found}", "phase")


def test_a_job_goes_from_pending_to_its_result(archive: Any) -> None:
    tap = archive.tap("pi")
    job = tap.submit_job(QUERY)
    assert job.phase == "PENDING"
    assert job.owner == "pi"
    assert job.query == QUERY
    assert job.uws_version == "1.1"
    assert job.execution_duration.sec == 20
    job.execution_duration = 50
    assert job.execution_duration.sec == 50
    job.run()
    job.wait(timeout=20)
    assert job.phase == "COMPLETED"
    assert [row["dp_id"] for row in job.fetch_result()] == ["SECRET.01", "SECRET.04", "SECRET.07"]
    job.delete()
    assert tap.get_job_list() == []


def test_pyvo_waits_for_a_slow_job(archive: Any) -> None:
    archive.seconds = 0.5
    before = time.monotonic()
    job = archive.tap("member").submit_job(QUERY).run()
    job.wait(timeout=20)
    assert time.monotonic() - before > 0.5
    assert [row["dp_id"] for row in job.fetch_result()] == ["SECRET.04"]


def test_run_async_does_it_all_and_cleans_up(archive: Any) -> None:
    tap = archive.tap("pi")
    assert len(tap.run_async(QUERY)) == 3
    assert tap.get_job_list() == []
    with pytest.raises(pyvo.dal.DALQueryError, match="no column nothing"):
        tap.run_async("select nothing from dbo.raw")
    assert tap.get_job_list() == []


@pytest.mark.parametrize(("user", "secret"), [("pi", 3), ("member", 1), ("stranger", 0), (None, 0)])
def test_a_job_has_the_rights_of_its_owner(user: str | None, secret: int, archive: Any) -> None:
    assert len(archive.tap(user).run_async(QUERY)) == secret


def test_a_failed_job_says_why(archive: Any) -> None:
    job = archive.tap("pi").submit_job("select nothing from dbo.raw").run()
    job.wait(timeout=20)
    assert job.phase == "ERROR"
    with pytest.raises(pyvo.dal.DALQueryError, match="no column nothing"):
        job.raise_if_error()
    with pytest.raises(pyvo.dal.DALQueryError, match="no column nothing"):
        job.fetch_result()
    document = archive.session("pi").get(f"{job.url}/error").content
    info = parse(io.BytesIO(document), verify="exception").resources[0].infos[0]
    assert (info.value, "no column nothing" in info.content) == ("ERROR", True)
    assert archive.session("pi").get(f"{job.url}/results/result").status_code == 404


@pytest.mark.parametrize("path", ["", "/phase", "/results", "/results/result", "/parameters", "/owner", "/error"])
@pytest.mark.parametrize("user", [None, "member"])
def test_a_job_is_for_its_owner_alone(path: str, user: str | None, archive: Any) -> None:
    owner, url = submitted(archive, PHASE="RUN")
    until(owner, url, "COMPLETED")
    answer = archive.session(user).get(f"{url}{path}")
    assert answer.status_code == 403
    assert "belongs to somebody else" in answer.text
    assert "SECRET" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "form"),
    [
        ("DELETE", "", None),
        ("POST", "", {"ACTION": "DELETE"}),
        ("POST", "/phase", {"PHASE": "RUN"}),
        ("POST", "/phase", {"PHASE": "ABORT"}),
        ("POST", "/parameters", {"QUERY": "select 1"}),
        ("POST", "/executionduration", {"EXECUTIONDURATION": "9"}),
        ("POST", "/destruction", {"DESTRUCTION": "2030-01-01T00:00:00Z"}),
    ],
)
def test_nobody_else_can_change_a_job(method: str, path: str, form: dict[str, str] | None, archive: Any) -> None:
    owner, url = submitted(archive)
    before = owner.get(url).text
    answer = archive.session("member").request(method, f"{url}{path}", data=form, allow_redirects=False)
    assert answer.status_code == 403
    assert owner.get(url).text == before


def test_the_list_holds_ones_own_jobs(archive: Any) -> None:
    _, mine = submitted(archive, "pi")
    _, other = submitted(archive, "member")
    submitted(archive, None)
    assert [job.jobid for job in archive.tap("pi").get_job_list()] == [mine.rpartition("/")[2]]
    assert [job.jobid for job in archive.tap("member").get_job_list()] == [other.rpartition("/")[2]]
    assert archive.tap("stranger").get_job_list() == []
    assert archive.tap().get_job_list() == []


def test_the_list_can_be_filtered(archive: Any) -> None:
    names = []
    for number in range(4):
        archive.time += 10
        session, url = submitted(archive, RUNID=f"run {number}")
        names.append(url.rpartition("/")[2])
        if number == 1:
            session.post(f"{url}/phase", data={"PHASE": "ABORT"})
    tap = archive.tap("pi")
    after = datetime.fromtimestamp(archive.time - 15, UTC)

    def listed(**filters: Any) -> list[str]:
        return [job.jobid for job in tap.get_job_list(**filters)]

    assert listed() == names[::-1]
    assert listed(phases=["ABORTED"]) == [names[1]]
    assert listed(phases=["ABORTED", "PENDING"]) == names[::-1]
    assert listed(phases=["COMPLETED"]) == []
    assert listed(last=2) == [names[3], names[2]]
    assert listed(after=after) == [names[3], names[2]]
    assert listed(after=after, phases=["PENDING"], last=1) == [names[3]]
    (job,) = tap.get_job_list(phases=["ABORTED"], short_description=False)
    assert (job.runid, job.phase, job.ownerid) == ("run 1", "ABORTED", "pi")


def test_an_anonymous_job_is_open_to_who_knows_its_url(archive: Any) -> None:
    _, url = submitted(archive, None, PHASE="RUN")
    until(archive.session("stranger"), url, "COMPLETED")
    assert archive.session().get(f"{url}/owner").text == ""
    assert archive.session().delete(url, allow_redirects=False).status_code == 303
    assert archive.session().get(url).status_code == 404


def test_single_values_are_plain_text(archive: Any) -> None:
    session, url = submitted(archive)
    assert session.get(f"{url}/phase").text == "PENDING"
    assert session.get(f"{url}/owner").text == "pi"
    assert session.get(f"{url}/executionduration").text == "20"
    assert session.get(f"{url}/quote").text == ""
    assert session.get(f"{url}/destruction").text == "2026-09-28T14:13:20.000Z"
    assert session.get(f"{url}/phase").headers["Content-Type"].startswith("text/plain")
    assert session.get(f"{url}/error").status_code == 404
    assert session.get(f"{url}/results/result").status_code == 404


@pytest.mark.parametrize(("asked", "given"), [("7", "7"), ("7.0", "7"), ("5000", "100"), ("0", "100")])
def test_the_execution_duration_is_kept_below_its_limit(asked: str, given: str, archive: Any) -> None:
    session, url = submitted(archive)
    answer = session.post(f"{url}/executionduration", data={"EXECUTIONDURATION": asked})
    assert answer.url == url
    assert session.get(f"{url}/executionduration").text == given


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/executionduration", {"EXECUTIONDURATION": "soon"}),
        ("/executionduration", {"EXECUTIONDURATION": "-1"}),
        ("/executionduration", {}),
        ("/destruction", {"DESTRUCTION": "tomorrow"}),
        ("/phase", {"PHASE": "HURRY"}),
        ("/phase", {}),
        ("", {"ACTION": "DANCE"}),
        ("?WAIT=soon", None),
    ],
)
def test_nonsense_is_refused_and_changes_nothing(path: str, form: dict[str, str] | None, archive: Any) -> None:
    session, url = submitted(archive)
    before = session.get(url).text
    answer = session.get(f"{url}{path}") if form is None else session.post(f"{url}{path}", data=form)
    assert answer.status_code == 400
    assert session.get(url).text == before


def test_a_job_over_its_time_is_aborted_and_says_so(archive: Any) -> None:
    endless = "select count(*) from " + ", ".join(f"dbo.raw as r{number}" for number in range(16))
    session, url = submitted(archive, QUERY=endless)
    session.post(f"{url}/executionduration", data={"EXECUTIONDURATION": "1"})
    before = time.monotonic()
    session.post(f"{url}/phase", data={"PHASE": "RUN"})
    until(session, url, "ABORTED")
    assert 0.9 < time.monotonic() - before < 10
    assert "it may take 1 s" in session.get(url).text
    with pytest.raises(pyvo.dal.DALQueryError, match="it may take 1 s"):
        pyvo.dal.AsyncTAPJob(url, session=session).raise_if_error()


def test_a_running_job_can_be_aborted(archive: Any) -> None:
    archive.seconds = 60.0
    session, url = running(archive)
    assert session.post(f"{url}/phase", data={"PHASE": "ABORT"}).url == url
    assert field(session, url, "phase") == "ABORTED"
    assert field(session, url, "endTime")


def test_a_finished_job_stays_as_it_is(archive: Any) -> None:
    session, url = submitted(archive, PHASE="RUN")
    until(session, url, "COMPLETED")
    before = session.get(url).text
    for phase in ("ABORT", "RUN"):
        session.post(f"{url}/phase", data={"PHASE": phase})
    session.post(f"{url}/executionduration", data={"EXECUTIONDURATION": "77"})
    assert session.post(f"{url}/parameters", data={"QUERY": "select 1"}).status_code == 403
    assert session.get(url).text == before


def test_parameters_can_be_set_until_the_job_runs(archive: Any) -> None:
    session, url = submitted(archive, TAPCLIENT="test", MAXREC="1")
    session.post(f"{url}/parameters", data={"query": "select 3 as three", "MAXREC": "4"})
    named = {one.get("id"): one.text for one in ET.fromstring(session.get(f"{url}/parameters").content)}
    assert named == {
        "LANG": "ADQL", "REQUEST": "doQuery", "TAPCLIENT": "test", "QUERY": "select 3 as three", "MAXREC": "4"
    }  # fmt: skip
    session.post(f"{url}/phase", data={"PHASE": "RUN"})
    until(session, url, "COMPLETED")
    table = parse(io.BytesIO(session.get(f"{url}/results/result").content), verify="exception").get_first_table()
    assert table.array["three"].tolist() == [3]


def test_a_job_takes_an_uploaded_table(archive: Any) -> None:
    from astropy.table import Table

    job = archive.tap("pi").submit_job("select a from tap_upload.mine")
    job.upload(mine=Table({"a": [4, 5]}))
    job.run().wait(timeout=20)
    assert job.fetch_result()["a"].tolist() == [4, 5]


def test_the_result_is_described_and_has_its_format(archive: Any) -> None:
    session, url = submitted(archive, PHASE="RUN", RESPONSEFORMAT="csv")
    until(session, url, "COMPLETED")
    (reference,) = ET.fromstring(session.get(f"{url}/results").content)
    answer = session.get(reference.get("{http://www.w3.org/1999/xlink}href"))
    assert answer.headers["Content-Type"] == reference.get("mime-type") == "text/csv;header=present"
    assert len(answer.content) == int(reference.get("size"))
    assert answer.text.split() == ["dp_id", "SECRET.01", "SECRET.04", "SECRET.07"]


def test_a_deleted_job_is_gone_and_stops(archive: Any) -> None:
    archive.seconds = 60.0
    session, url = running(archive)
    answer = session.post(url, data={"ACTION": "DELETE"}, allow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{archive.url}/async"
    assert session.get(url).status_code == 404
    assert "Traceback" not in session.get(url).text


def test_a_job_is_destroyed_when_its_time_has_come(archive: Any) -> None:
    session, url = submitted(archive)
    moment = datetime.fromtimestamp(archive.time + 100, UTC)
    job = pyvo.dal.AsyncTAPJob(url, session=session)
    job.destruction = moment
    assert job.destruction.to_datetime(UTC) == moment
    archive.time += 99
    assert session.get(url).status_code == 200
    archive.time += 2
    assert session.get(url).status_code == 404
    assert archive.tap("pi").get_job_list() == []


def test_the_destruction_time_is_kept_below_its_limit(archive: Any) -> None:
    session, url = submitted(archive)
    session.post(f"{url}/destruction", data={"DESTRUCTION": "2999-01-01T00:00:00"})
    assert session.get(f"{url}/destruction").text == "2026-10-21T14:13:20.000Z"


def test_a_blocking_poll_ends_when_the_phase_changes(archive: Any, in_background: Callable[..., Any]) -> None:
    session, url = submitted(archive)
    other = archive.session("pi")
    archive.received.clear()
    poll = in_background(lambda: field(other, f"{url}?WAIT=20&PHASE=PENDING", "phase"))
    archive.wait_for(f"GET {url[url.index('/tap_obs') :]}")
    before = time.monotonic()
    session.post(f"{url}/phase", data={"PHASE": "ABORT"})
    assert poll.result(20) == "ABORTED"
    assert time.monotonic() - before < 5


def test_a_blocking_poll_ends_when_the_job_is_deleted(archive: Any, in_background: Callable[..., Any]) -> None:
    archive.seconds = 60.0
    session, url = running(archive)
    other = archive.session("pi")
    archive.received.clear()
    poll = in_background(lambda: field(other, f"{url}?WAIT=20&PHASE=EXECUTING", "phase"))
    archive.wait_for(f"GET {url[url.index('/tap_obs') :]}")
    before = time.monotonic()
    session.delete(url)
    assert poll.result(20) == "ABORTED"
    assert time.monotonic() - before < 5


def test_a_blocking_poll_lasts_as_long_as_it_asks(archive: Any) -> None:
    session, url = submitted(archive)
    before = time.monotonic()
    assert field(session, f"{url}?WAIT=0.3", "phase") == "PENDING"
    assert time.monotonic() - before >= 0.3


@pytest.mark.parametrize("query", ["WAIT=20&PHASE=EXECUTING", "WAIT=0", "PHASE=PENDING", "wait=20&phase=queued"])
def test_a_poll_for_another_phase_does_not_block(query: str, archive: Any) -> None:
    session, url = submitted(archive)
    before = time.monotonic()
    assert field(session, f"{url}?{query}", "phase") == "PENDING"
    assert time.monotonic() - before < 5


def test_a_poll_of_a_finished_job_does_not_block(archive: Any) -> None:
    session, url = submitted(archive, PHASE="RUN")
    until(session, url, "COMPLETED")
    before = time.monotonic()
    assert field(session, f"{url}?WAIT=-1", "phase") == "COMPLETED"
    assert time.monotonic() - before < 5


def test_an_unknown_job_is_not_there(archive: Any) -> None:
    assert archive.session("pi").get(f"{archive.url}/async/0123456789abcdef").status_code == 404


def test_closing_the_service_lets_everyone_go(archive: Any, in_background: Callable[..., Any]) -> None:
    archive.seconds = 60.0
    session, url = running(archive)
    archive.received.clear()
    poll = in_background(lambda: session.get(f"{url}?WAIT=20&PHASE=EXECUTING"))
    archive.wait_for(f"GET {url[url.index('/tap_obs') :]}")
    before = time.monotonic()
    archive.stop()
    assert time.monotonic() - before < 10
    assert ET.fromstring(poll.result(20).content).findtext(f"{UWS}phase") == "ABORTED"
