"""The stand-ins' contract, by plain requests and curl: what the portals' sources say, the unhelpful parts too."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import zipfile
from collections.abc import Iterator

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from vo_auth.sandbox import Bench, Sandbox
from vo_auth_icos.standin import PEOPLE, make_cookie
from vo_auth_icos.standin.repository import CITIES, ICOS, REPOSITORIES, SITES, Repository
from vo_auth_icos.standin.signing import BadCookieError, Signer, read

MEMBER, NEWCOMER = PEOPLE["member"], PEOPLE["newcomer"]
portals = pytest.mark.parametrize("portal", REPOSITORIES, ids=lambda portal: portal.envri)


@pytest.fixture
def bench(vo_auth_sandbox: Sandbox) -> Bench:
    return vo_auth_sandbox.bench("icos")


@pytest.fixture
def http(vo_auth_sandbox: Sandbox) -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def log_in(http: requests.Session, portal: Repository, person=MEMBER) -> requests.Response:
    form = {"mail": person.email, "password": person.password}
    return http.post(f"https://{portal.auth}/password/login", data=form)


def cookie(portal: Repository, person=MEMBER, **options) -> dict[str, str]:
    return {"Cookie": f"{portal.cookie}={make_cookie(portal.archive, person.email, **options)}"}


def get(http: requests.Session, portal: Repository, path: str, **options) -> requests.Response:
    return http.get(f"https://{portal.data}{path}", allow_redirects=False, **options)


# ---------------------------------------------------------------- the auth host


@portals
def test_the_login_gives_a_session_cookie_for_the_whole_domain(http, portal):
    answer = log_in(http, portal)
    assert (answer.status_code, answer.text) == (200, "OK")
    given = answer.headers["Set-Cookie"]
    assert given.startswith(f"{portal.cookie}=")
    assert given.partition("; ")[2] == f"Domain={portal.cookie_domain}; Path=/; Secure; HttpOnly"
    assert get(http, portal, "/whoami").json() == {"email": MEMBER.email}  # browsers and requests send it on


@pytest.mark.parametrize(
    "form",
    [
        {"mail": MEMBER.email, "password": "obviously-wrong"},
        {"mail": "nobody@example.org", "password": MEMBER.password},
        {"mail": PEOPLE["scholar"].email, "password": ""},
    ],
)
def test_a_wrong_password_is_403_without_a_challenge(http, bench, form):
    answer = http.post("https://cpauth.icos-cp.eu/password/login", data=form)
    assert (answer.status_code, answer.text) == (403, "Incorrect user name or password")
    assert "WWW-Authenticate" not in answer.headers
    assert (bench.counters["rejected_logins"], bench.counters["logins"]) == (1, 0)


@pytest.mark.parametrize("options", [{"data": {"mail": "x"}}, {"json": {"mail": "x", "password": "y"}}, {}])
def test_a_login_that_is_no_such_form_is_400(http, options):
    answer = http.post("https://cpauth.icos-cp.eu/password/login", **options)
    assert answer.status_code == 400
    assert "'mail' and 'password'" in answer.text


def test_whoami_of_the_auth_host_is_401_for_nobody(http):
    url = "https://cpauth.icos-cp.eu/whoami"
    assert http.get(url).text.endswith("authentication cookie missing")
    assert http.get(url, headers={"Cookie": "cpauthToken=AAAA"}).status_code == 401
    assert http.get(url, headers=cookie(ICOS)).json() == {"email": MEMBER.email}


def test_my_account_shows_the_cookie_with_its_end_and_source(http):
    sent = cookie(ICOS, source="Orcid")
    told = http.get("https://cpauth.icos-cp.eu/cpauthcookie", headers=sent).json()
    assert told["value"] == sent["Cookie"]
    assert (told["source"], told["expiry"]) == ("Orcid", read(told["value"].partition("=")[2])[0].end_ms)


def test_a_profile_is_its_owners_alone_and_says_whether_the_licence_is_accepted(http):
    url = f"https://cpauth.icos-cp.eu/db/users/{NEWCOMER.email}"
    assert http.get(url).status_code == 403
    assert http.get(url, headers=cookie(ICOS)).status_code == 403
    own = cookie(ICOS, NEWCOMER)
    assert http.get(url, headers=own).json()["profile"] == {"icosLicenceOk": False}
    assert http.patch(url, headers=own, json={"profile": {"icosLicenceOk": True}}).ok
    assert http.get(url, headers=own).json()["profile"] == {"icosLicenceOk": True}
    assert get(http, ICOS, f"/objects/{ICOS.series[0].id}", headers=own).ok


def test_logout_ends_the_browsers_cookie_and_no_copy_of_it(http):
    log_in(http, ICOS)
    copy = {"Cookie": f"cpauthToken={http.cookies['cpauthToken']}"}
    for host in (ICOS.auth, ICOS.data):
        assert http.get(f"https://{host}/logout").headers["Set-Cookie"].startswith("cpauthToken=deleted; ")
    assert requests.get("https://data.icos-cp.eu/whoami", headers=copy).json() == {"email": MEMBER.email}


# ---------------------------------------------------------------- the cookie


def test_the_cookie_has_the_layout_and_the_signature_of_the_portals_own(http):
    log_in(http, ICOS)
    content = base64.b64decode(http.cookies["cpauthToken"], validate=True)
    told, _, signature = content.partition(b"\x1e")
    end, email, source = json.loads(told)
    assert told == json.dumps([end, email, source], separators=(",", ":")).encode()
    text = f"AuthToken(UserId({email}),{end},{source})".encode()
    key = Signer.of("icos")._key.public_key()
    assert isinstance(key.curve, ec.SECP384R1)
    key.verify(signature, text, ec.ECDSA(SHA256()))  # raises if it is not


@pytest.mark.parametrize("java", [False, True])
def test_both_layouts_are_read_and_a_changed_byte_is_noticed(java):
    signer = Signer.of("icos")
    value = signer.issue(MEMBER.email, "Password", end=2000.0, java=java)
    assert signer.check(value, now=1999.9).email == MEMBER.email
    with pytest.raises(BadCookieError, match="expired"):
        signer.check(value, now=2000.0)
    with pytest.raises(BadCookieError, match="signature"):
        Signer.of("sites").check(value, now=0.0)
    changed = bytearray(base64.b64decode(value))
    changed[20] ^= 1
    with pytest.raises(BadCookieError):
        signer.check(base64.b64encode(changed).decode(), now=0.0)


BAD = {
    "none": {},
    "ended": cookie(ICOS, life=-1),
    "of another portal": {"Cookie": f"cpauthToken={make_cookie('sites', MEMBER.email)}"},
    "of no layout": {"Cookie": "cpauthToken=obviously-fake"},
    "of another name": {"Cookie": f"fieldsitesToken={make_cookie('icos', MEMBER.email)}"},
    "not accepted": cookie(ICOS, NEWCOMER),
}


@pytest.mark.parametrize("sent", BAD.values(), ids=BAD)
def test_whatever_is_wrong_with_a_cookie_an_object_leads_to_the_licence(http, sent):
    item = ICOS.series[0]
    answer = get(http, ICOS, f"/objects/{item.id}", headers=sent)
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"/licence?ids=[%22{item.id}%22]"
    page = http.get(f"https://data.icos-cp.eu/objects/{item.id}", headers=sent)
    assert (page.status_code, page.headers["Content-Type"].partition(";")[0]) == (200, "text/html")
    is_somebody = sent == BAD["not accepted"]
    assert get(http, ICOS, "/whoami", headers=sent).json() == {"email": NEWCOMER.email if is_somebody else None}


@pytest.mark.parametrize(
    ("path", "what"), [("/csv/{0}", "CSV"), ("/cpb", "binary"), ("/zip/{1}/extractFile/README.txt", "zip entry")]
)
def test_tables_and_zip_entries_say_401_and_403(http, path, what):
    url = "https://data.icos-cp.eu" + path.format(ICOS.series[0].id, ICOS.named("ICOS_model").id)
    method = "POST" if path == "/cpb" else "GET"
    nobody = http.request(method, url, headers=BAD["ended"])
    assert (nobody.status_code, nobody.text) == (401, f"ICOS data portal login is required for {what} downloads")
    newcomer = http.request(method, url, headers=cookie(ICOS, NEWCOMER))
    assert newcomer.status_code == 403
    assert newcomer.text.startswith("Accepting ")


# ---------------------------------------------------------------- data


@portals
def test_an_object_comes_by_each_of_its_identifiers(http, portal):
    item = portal.series[0]
    for name in (item.id, item.sha256, item.sha256_base64):
        answer = get(http, portal, f"/objects/{name}", headers=cookie(portal))
        assert answer.content == item.content
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{item.file_name}"'


def test_documents_and_the_public_domain_are_for_everybody_and_a_moratorium_for_nobody(http):
    for name in ("ICOS protocol", "ICOS_open"):
        item = ICOS.named(name)
        assert get(http, ICOS, f"/objects/{item.id}").content == item.content
    new = ICOS.named("ICOS_ATC_NEW")
    assert "moratorium" in get(http, ICOS, f"/objects/{new.id}", headers=cookie(ICOS)).text
    assert get(http, ICOS, f"/objects/{'A' * 24}", headers=cookie(ICOS)).status_code == 404


@pytest.mark.parametrize("place", ["collections", "objects"])
def test_zips_end_with_the_connection_and_say_no_length(http, bench, place):
    ids = json.dumps([item.id for item in ICOS.series])
    options = {"params": {"ids": ids, "fileName": "some"}} if place == "objects" else {}
    path = "/objects" if place == "objects" else f"/collections/{ICOS.collection[0]}"
    led = get(http, ICOS, path, **options)
    assert (led.status_code, led.headers["Location"].partition("?")[0]) == (302, "/licence")
    answer = get(http, ICOS, path, headers=cookie(ICOS), **options)
    assert not {"Content-Length", "Transfer-Encoding"} & set(answer.headers)
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert names == [*(item.file_name for item in ICOS.collection[2]), "!TOC.csv"]
    bench.knobs["zip_cut"] = 100
    assert len(get(http, ICOS, path, headers=cookie(ICOS), **options).content) == 100  # and nobody can tell


def test_a_batch_without_its_parameters_is_400(http):
    assert get(http, ICOS, "/objects").status_code == 400
    assert get(http, ICOS, "/objects", params={"ids": "x", "fileName": "x"}).status_code == 400
    assert http.post("https://data.icos-cp.eu/objects", data={"ids": "[]"}).status_code == 400


def test_a_form_may_accept_the_licence_for_its_own_request(http):
    form = {"ids": json.dumps([ICOS.series[0].id]), "fileName": "x"}
    assert "licence-page" in http.post("https://data.icos-cp.eu/objects", data=form).text
    assert http.post("https://data.icos-cp.eu/objects", data=form | {"licenceOk": "true"}).content.startswith(b"PK")


def test_an_acceptance_for_one_download_is_a_cookie_that_the_download_takes_back(http):
    item = ICOS.series[0]
    answer = http.get("https://data.icos-cp.eu/licence_accept", params={"ids": json.dumps([item.id])})
    assert answer.content == item.content
    given, taken = answer.history[0].headers["Set-Cookie"], answer.headers["Set-Cookie"]
    assert given == f"CpLicenseAcceptedFor={item.id}; Path=/objects/{item.id}"
    assert taken.startswith("CpLicenseAcceptedFor=deleted; Expires=")
    assert (answer.history[0].status_code, answer.history[0].headers["Location"]) == (302, f"/objects/{item.id}")
    assert get(requests.Session(), ICOS, f"/objects/{item.id}").status_code == 302


def test_csv_takes_its_parameters_from_the_query_alone(http):
    item = ICOS.series[0]
    url = f"https://data.icos-cp.eu/csv/{item.id}"
    query = [("col", "co2"), ("col", "TIMESTAMP"), ("offset", "1"), ("limit", "1")]
    lines = http.get(url, params=query, headers=cookie(ICOS)).text.splitlines()
    assert lines == ["co2,TIMESTAMP", f"{item.rows['co2'][1]},2024-06-01T01:00:00Z"]
    whole = http.get(url, json={"col": ["co2"], "limit": 1}, headers=cookie(ICOS)).text.splitlines()
    assert (len(whole), whole[0]) == (item.row_count + 1, "Flag,NbPoints,Stdev,TIMESTAMP,co2")


@pytest.mark.parametrize("change", [{"tableId": 1}, {"schema": {}}, {"columnNumbers": [99]}, {"subFolder": "x"}, None])
def test_a_request_for_another_table_than_there_is_fails(http, change):
    item = ICOS.series[0]
    asked = {
        "tableId": item.id,
        "subFolder": item.type.format,
        "schema": {"columns": [column.type for column in item.columns], "size": item.row_count},
        "columnNumbers": [0],
    }
    post = {"url": "https://data.icos-cp.eu/cpb", "headers": cookie(ICOS)}
    assert http.post(json=asked, **post).content == item.columns[0].pack(item.rows["Flag"])
    assert http.post(json=asked | change if change else None, **post).status_code in (400, 404)


def test_zips_are_listed_to_everybody(http):
    listed = get(http, ICOS, f"/zip/{ICOS.named('ICOS_model').id}/listContents").json()
    assert [entry["name"] for entry in listed] == ["README.txt", "flux/2024.txt"]
    assert get(http, ICOS, listed[1]["path"], headers=cookie(ICOS)).text == "1.5\n"
    free = ICOS.named("ICOS_open")
    assert get(http, ICOS, f"/zip/{free.id}/extractFile/open.txt").text == "for all\n"
    assert get(http, ICOS, f"/zip/{free.id}/extractFile/nothing").status_code == 404


# ---------------------------------------------------------------- hosts


@portals
def test_metadata_is_json_for_programs_and_for_everybody(http, portal):
    item = portal.series[0]
    page = portal.landing_page(item)
    told = http.get(page, headers={"Accept": "application/json"}).json()
    assert told["accessUrl"] == f"https://{portal.data}/objects/{item.id}"
    assert http.get(f"{page}/meta.json").json() == told
    assert "html" in http.get(page).headers["Content-Type"]
    assert http.post(f"https://{portal.meta}/sparql", data="select * where {?s ?p ?o}").status_code == 400


def test_each_service_is_at_its_own_host_alone_and_plain_http_leads_to_https(http, bench):
    item = ICOS.series[0]
    for url in (
        "https://meta.icos-cp.eu/whoami",
        "https://data.icos-cp.eu/password/login",
        "https://citymeta.icos-cp.eu/csv/x",
    ):
        assert http.get(url).status_code == 404
    assert get(http, CITIES, f"/objects/{item.id}", headers=cookie(CITIES)).status_code == 404
    led = http.get(f"http://data.icos-cp.eu/objects/{item.id}", headers=cookie(ICOS), allow_redirects=False)
    assert (led.status_code, led.headers["Location"]) == (301, f"https://data.icos-cp.eu/objects/{item.id}")
    assert bench.counters["cookies_on_http"] == 1


@pytest.mark.interop
def test_curl_logs_in_and_downloads(vo_auth_sandbox, program, tmp_path):
    def curl(*arguments: str) -> str:
        command = [program("curl"), "-sS", "--fail", "-b", "jar", "-c", "jar", *arguments]
        done = subprocess.run(
            command, env=vo_auth_sandbox.child_environ(), capture_output=True, text=True, check=True, cwd=tmp_path
        )
        return done.stdout

    fields = [f"mail={MEMBER.email}", f"password={MEMBER.password}"]
    form = [part for field in fields for part in ("--data-urlencode", field)]
    assert curl(*form, f"https://{SITES.auth}/password/login") == "OK"
    item = SITES.series[0]
    assert curl("-L", f"https://{SITES.data}/objects/{item.id}") == item.content.decode()
