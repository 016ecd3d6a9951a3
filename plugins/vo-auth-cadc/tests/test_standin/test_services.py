"""Registry, certificates, search, DataLink and storage, by plain requests, pyvo and curl."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

import pytest
import pyvo
import requests
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from vo_auth.sandbox import Sandbox
from vo_auth_cadc.standin import OBSERVATIONS, STANDIN, make_token

from .conftest import ACCESS, GENERATE_URL, MAIN, TAP_URL, observations

PUBLIC = ["700001o", "700002p", "scuba2_demo_1"]
OWN = [*PUBLIC, "scuba2_demo_2"]
CHALLENGES = [
    "ivoa_cookie",
    f'ivoa_x509 standard_id="ivo://ivoa.net/sso#cookie", access_url="{GENERATE_URL}"',
    f'ivoa_x509 standard_id="ivo://ivoa.net/sso#BasicAA", access_url="{GENERATE_URL}"',
    f'ivoa_x509 standard_id="ivo://ivoa.net/sso#token", access_url="{GENERATE_URL}"',
    "ivoa_x509",
    f'ivoa_bearer standard_id="ivo://ivoa.net/sso#tls-with-password", access_url="{ACCESS}/login", HACK=temporary',
    "Bearer",
]
FILES = {item.observation_id: f"https://cadc-west-01.canfar.net/raven/files/{item.uri}" for item in OBSERVATIONS}


# ---------------------------------------------------------------- registry and challenges


@pytest.mark.parametrize(
    "registry",
    [
        "http://www.cadc-ccda.hia-iha.nrc-cnrc.gc.ca",
        "https://ws.cadc-ccda.hia-iha.nrc-cnrc.gc.ca",
        "https://cadc-west-01.canfar.net",
    ],
)
def test_each_registry_lists_where_services_describe_themselves(sandbox, registry):
    text = requests.get(f"{registry}/reg/resource-caps", timeout=20).text
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    places = dict(line.split(" = ") for line in lines)
    assert places["ivo://cadc.nrc.ca/argus"] == f"{TAP_URL}/capabilities"
    assert places["ivo://cadc.nrc.ca/gms"] == f"{ACCESS}/capabilities"
    for url in places.values():
        assert requests.get(url, timeout=20).status_code == 200, url
        assert requests.head(url, timeout=20).status_code == 200, url


def test_services_are_at_their_own_hosts_alone(sandbox):
    for url in (f"{ACCESS.removesuffix('/ac')}/argus/capabilities", f"{MAIN}/ac/capabilities", f"{MAIN}/nowhere"):
        assert requests.get(url, timeout=20).status_code == 404


def test_anonymous_answers_challenge_on_lines_of_their_own_a_200_included(search):
    answer = search()
    assert observations(answer) == PUBLIC
    assert answer.raw.headers.getlist("WWW-Authenticate") == CHALLENGES
    assert "x-vo-authenticated" not in answer.headers


def test_the_certificate_service_challenges_for_basic_too(sandbox):
    answer = requests.get(GENERATE_URL, timeout=20)
    assert answer.status_code == 401
    assert answer.raw.headers.getlist("WWW-Authenticate") == ['Basic realm="/cred/generate"', *CHALLENGES]


def test_the_documents_of_access_control_challenge_nobody(sandbox):
    assert "WWW-Authenticate" not in requests.get(f"{ACCESS}/capabilities", timeout=20).headers
    assert "WWW-Authenticate" in requests.get(f"{TAP_URL}/capabilities", timeout=20).headers


def test_the_search_can_ask_everybody_to_log_in(search, bench):
    bench.knobs["argus_anonymous"] = 401
    assert search().status_code == 401


# ---------------------------------------------------------------- certificates


def test_a_certificate_is_issued_in_the_archives_shape(sandbox, login):
    headers = {"Authorization": f"Bearer {login().text}"}
    answer = requests.get(GENERATE_URL, params={"daysValid": "2.5"}, headers=headers, timeout=20)
    assert answer.headers["Content-Type"] == "application/x-pem-file"
    assert answer.headers["Content-Disposition"] == 'inline; filename="cadcproxy.pem"'
    order = [line for line in answer.text.splitlines() if line.startswith("-----BEGIN")]
    assert order == [
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN RSA PRIVATE KEY-----",
        "-----BEGIN CERTIFICATE-----",
    ]
    own, signer = x509.load_pem_x509_certificates(answer.content)
    own.verify_directly_issued_by(signer)
    assert own.subject.rfc4514_string() == "C=ca,O=hia,OU=cadc,CN=demopi_1a2"
    assert own.issuer == signer.subject
    constraints = own.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca) == (True, False)
    assert {type(item.value) for item in own.extensions} >= {x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier}
    now = time.time()
    assert abs(own.not_valid_before_utc.timestamp() - (now - 300)) < 60
    assert abs(own.not_valid_after_utc.timestamp() - (now + 2.5 * 86400)) < 60
    key = load_pem_private_key(answer.content[answer.content.index(b"-----BEGIN RSA") :], None)
    assert key.key_size == 2048
    assert key.public_key() == own.public_key()


@pytest.mark.parametrize(
    ("days", "status", "text"),
    [
        ("31", 400, "daysValid larger than maximum allowed: 30.0"),
        ("soon", 400, "daysValid is not a float: soon"),
    ],
)
def test_an_odd_number_of_days_is_refused(login, days, status, text):
    headers = {"Authorization": f"Bearer {login().text}"}
    answer = requests.get(GENERATE_URL, params={"daysValid": days}, headers=headers, timeout=20)
    assert (answer.status_code, answer.text) == (status, text)


def test_a_certificate_cannot_renew_itself(pem, bench):
    answer = requests.get(GENERATE_URL, cert=str(pem()), timeout=20)
    assert answer.status_code == 403
    assert answer.text.startswith("Renewing certificate using certificate authentication not permitted")
    assert (bench.counters["refused_renewals"], bench.counters["certificates"]) == (1, 0)


def test_basic_gives_a_certificate_but_ends_a_password_at_its_first_colon(sandbox):
    ask = lambda role: requests.get(GENERATE_URL, auth=tuple(STANDIN.credentials[role].values()), timeout=20)  # noqa: E731
    assert ask("pi").status_code == 200
    assert ask("visitor").status_code == 401
    assert requests.get(GENERATE_URL, auth=("demopi", ""), timeout=20).status_code == 500


def test_the_cookie_gives_a_certificate_and_nobody_gets_anothers(sandbox):
    headers = {"Cookie": f'CADC_SSO="{make_token("visitor")}"'}
    (own, _) = x509.load_pem_x509_certificates(requests.get(GENERATE_URL, headers=headers, timeout=20).content)
    assert "CN=demovisitor" in own.subject.rfc4514_string()
    assert requests.get(f"{GENERATE_URL}/userid/demopi", headers=headers, timeout=20).status_code == 403
    assert requests.post(GENERATE_URL, headers=headers, timeout=20).status_code == 405


def test_a_certificate_shows_the_rows_of_its_owner(search, pem):
    assert observations(search(cert=str(pem()))) == OWN
    assert observations(search(cert=str(pem("visitor")))) == PUBLIC


def test_a_certificate_that_has_ended_or_is_of_another_authority_gets_no_connection(search, pem, tmp_path):
    from vo_auth.sandbox import Authority
    from vo_auth_cadc.standin import make_certificate

    foreign = tmp_path / "foreign.pem"
    foreign.write_text(make_certificate(Authority()))
    for path in (pem(life=-3600), foreign):
        with pytest.raises(requests.exceptions.ConnectionError):
            search(cert=str(path))


# ---------------------------------------------------------------- search, links and files


def test_pyvo_searches_by_sync_and_async_with_a_certificate(sandbox, session, pem):
    session.cert = str(pem())
    service = pyvo.dal.TAPService(TAP_URL, session=session)
    query = "SELECT observationID FROM caom2.Observation ORDER BY observationID"
    assert list(service.search(query)["observationID"]) == OWN
    job = service.submit_job(query)
    job.run().wait()
    assert list(job.fetch_result()["observationID"]) == OWN
    job.delete()


def test_pyvos_own_session_negotiates_the_certificate(sandbox, pem):
    session = pyvo.auth.AuthSession()
    session.credentials.set_client_certificate(str(pem()))
    service = pyvo.dal.TAPService(TAP_URL, session=session)
    assert len(service.search("SELECT observationID FROM caom2.Observation")) == len(OWN)


def test_datalink_leads_to_the_file_and_tells_nothing_of_what_one_may_not_see(sandbox, session, pem):
    ids = [item.publisher_id for item in OBSERVATIONS]
    url = requests.Request("GET", f"{MAIN}/caom2ops/datalink", params={"ID": ids}).prepare().url
    links = pyvo.dal.adhoc.DatalinkResults.from_result_url(url, session=session)
    assert [bool(link.error_message) for link in links] == [False, False, False, True, True]
    session.cert = str(pem())
    links = pyvo.dal.adhoc.DatalinkResults.from_result_url(url, session=session)
    assert [link.access_url for link in links if not link.error_message] == [FILES[name] for name in OWN]


@pytest.mark.parametrize("name", ["700001o", "scuba2_demo_1"])
def test_a_file_is_led_to_at_another_host(sandbox, pem, bench, name):
    answer = requests.get(FILES[name], cert=str(pem()), timeout=20)
    assert answer.url.startswith("https://ws-uv.canfar.net/minoc/files/cadc:")
    assert [hop.status_code for hop in answer.history] == [303]
    assert answer.content.startswith(b"SIMPLE  =")
    assert len(answer.content) % 2880 == 0
    assert bench.counters["downloads"] == 1


@pytest.mark.parametrize(("knob", "status"), [(None, 401), (403, 403)])
def test_a_file_is_refused_to_the_anonymous_with_challenges(sandbox, bench, knob, status):
    if knob:
        bench.knobs["anonymous_refusal"] = knob
    answer = requests.get(FILES["scuba2_demo_1"], timeout=20)
    assert answer.status_code == status
    assert answer.raw.headers.getlist("WWW-Authenticate") == CHALLENGES


def test_a_file_is_refused_to_those_without_rights_without_challenges(sandbox, bench, pem):
    answer = requests.get(FILES["scuba2_demo_1"], cert=str(pem("visitor")), timeout=20)
    assert (answer.status_code, "WWW-Authenticate" in answer.headers) == (403, False)
    assert answer.headers["x-vo-authenticated"] == "demovisitor"
    assert bench.counters["refused_downloads"] == 1


def test_a_file_that_does_not_exist_is_a_404(sandbox):
    assert requests.get(f"{FILES['700001o']}x", timeout=20).status_code == 404


def test_a_redirect_can_have_a_key_in_its_path(sandbox, bench, pem):
    bench.knobs["preauthorized"] = True
    place = requests.get(FILES["scuba2_demo_1"], cert=str(pem()), timeout=20, allow_redirects=False).headers["Location"]
    assert requests.get(place, timeout=20).status_code == 200
    assert requests.get(place.replace("/files/", "/files/0"), timeout=20).status_code in {403, 404}


@pytest.mark.interop
def test_curl_gets_a_certificate_and_uses_it(
    sandbox: Sandbox, program: Callable[[str], str], tmp_path, bench, login
) -> None:
    own = tmp_path / "cadcproxy.pem"
    curl = [program("curl"), "-sS", "--fail-with-body"]

    def run(*arguments: str) -> str:
        done = subprocess.run([*curl, *arguments], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    run("-H", f"Authorization: Bearer {login().text}", "-o", str(own), GENERATE_URL)
    query = ["-d", "REQUEST=doQuery", "-d", "LANG=ADQL", "-d", "FORMAT=csv"]
    query += ["--data-urlencode", "QUERY=SELECT observationID FROM caom2.Observation ORDER BY observationID"]
    assert run("-G", f"{TAP_URL}/sync", *query).split()[1:] == PUBLIC
    assert run("--cert", str(own), "-G", f"{TAP_URL}/sync", *query).split()[1:] == OWN
    run("--cert", str(own), "-L", "-o", str(tmp_path / "file.fits"), FILES["scuba2_demo_1"])
    assert (tmp_path / "file.fits").read_bytes().startswith(b"SIMPLE")
    assert bench.counters["certificates"] == 1
