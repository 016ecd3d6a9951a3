"""The servers: real names, TLS, client certificates, and what is written down."""

from __future__ import annotations

import datetime
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID, ObjectIdentifier

from vo_auth.errors import VoAuthError
from vo_auth.sandbox import Bench, Sandbox, SandboxError, StandIn

HTTPS, HTTP = "https://archive.toy.example", "http://archive.toy.example"


def ask(sandbox: Sandbox, request: str) -> tuple[int, str]:
    """Send a request as it stands to the plain server, and return status and text."""
    with socket.create_connection(("127.0.0.1", sandbox.ports[80])) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode())
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    head, _, body = answer.decode().partition("\r\n\r\n")
    return int(head.split()[1]), body


@pytest.mark.parametrize("base", [HTTPS, HTTP, "https://data.toy.example", "https://ARCHIVE.toy.example:443"])
def test_a_stand_in_answers_under_its_real_names(sandbox: Sandbox, base: str) -> None:
    answer = requests.get(f"{base}/x").json()
    assert answer["scheme"] == base.partition(":")[0]
    assert answer["host"].lower() == base.partition("//")[2].removesuffix(":443").lower()


@pytest.mark.parametrize("host", ["archive.toy.example", "ARCHIVE.Toy.Example", "archive.toy.example:80"])
def test_the_host_header_chooses_the_stand_in_in_any_case_and_with_a_port(sandbox: Sandbox, host: str) -> None:
    status, _ = ask(sandbox, f"GET / HTTP/1.1\nHost: {host}\nConnection: close\n\n")
    assert status == 200
    assert [(entry.host, entry.port) for entry in sandbox.received] == [("archive.toy.example", 80)]


@pytest.mark.parametrize("header", ["Host: elsewhere.example\n", "Host: \n"])
def test_an_unknown_host_header_is_answered_with_421_and_the_known_names(sandbox: Sandbox, header: str) -> None:
    status, text = ask(sandbox, f"GET / HTTP/1.1\n{header}Connection: close\n\n")
    assert status == 421
    assert "does not serve" in text
    assert "archive.toy.example\n" in text
    assert "visits" not in sandbox.bench("toy").counters


def test_what_arrives_is_written_down_as_it_was_sent(sandbox: Sandbox) -> None:
    ask(
        sandbox,
        "POST /a%2Fb/../c;d?x=%20&y=+ HTTP/1.1\nHost: archive.toy.example\nAuthorization: Bearer obviously-fake\n"
        "Cookie: a=1\nX-Twice: one\nx-twice: two\nContent-Length: 0\nConnection: close\n\n",
    )
    (entry,) = sandbox.received.all()
    assert (entry.scheme, entry.host, entry.port, entry.method) == ("http", "archive.toy.example", 80, "POST")
    assert (entry.path, entry.query) == ("/a%2Fb/../c;d", "x=%20&y=+")
    assert entry.headers["x-twice"] == "one, two"
    assert (entry.authorization, entry.cookie) == ("Bearer obviously-fake", "a=1")
    assert entry.client_certificate is None


def test_a_request_is_written_down_before_the_stand_in_handles_it(toy: StandIn) -> None:
    seen: list[int] = []

    def app(_bench: Bench) -> web.Application:
        async def look(_request: web.Request) -> web.Response:
            seen.append(len(sandbox.received))
            return web.Response()

        application = web.Application()
        application.router.add_get("/", look)
        return application

    with Sandbox([StandIn(archive="early", hosts=("early.example",), credentials={}, app=app)]) as sandbox:
        ask(sandbox, "GET / HTTP/1.1\nHost: early.example\nConnection: close\n\n")
    assert seen == [1]


def test_the_recordings_are_chosen_by_host_and_path_and_can_be_cleared(sandbox: Sandbox) -> None:
    for url in (f"{HTTPS}/tap/sync", f"{HTTPS}/links", "https://data.toy.example/tap"):
        requests.get(url)
    assert [entry.path for entry in sandbox.received.at("archive.toy.example")] == ["/tap/sync", "/links"]
    assert [entry.path for entry in sandbox.received.at("archive.toy.example", "/tap")] == ["/tap/sync"]
    sandbox.received.clear()
    assert sandbox.received.all() == []


def test_the_certificate_is_for_exactly_the_names_that_are_served(sandbox: Sandbox) -> None:
    context = ssl.create_default_context(cafile=str(sandbox.ca_pem))
    for name, is_served in [("archive.toy.example", True), ("sub.archive.toy.example", False), ("toy.example", False)]:
        with socket.create_connection(("127.0.0.1", sandbox.ports[443])) as plain:
            if is_served:
                context.wrap_socket(plain, server_hostname=name).close()
                continue
            with pytest.raises(ssl.SSLCertVerificationError):
                context.wrap_socket(plain, server_hostname=name)


def test_two_sandboxes_do_not_trust_each_other(sandbox: Sandbox, toy: StandIn) -> None:
    with Sandbox([toy]) as other, pytest.raises(requests.exceptions.SSLError):
        requests.get(HTTPS, verify=str(other.ca_pem))


def written(path: Path, *blobs: bytes) -> str:
    path.write_bytes(b"".join(blobs))
    return str(path)


def der(pem: bytes) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem.decode())


def test_a_client_certificate_reaches_the_stand_in_and_the_recording(sandbox: Sandbox, tmp_path: Path) -> None:
    leaf = sandbox.authority.issue_client("demo-pi")
    file = written(tmp_path / "pi.pem", leaf.private_key_and_cert_chain_pem.bytes())
    expected = der(leaf.cert_chain_pems[0].bytes())
    assert requests.get(HTTPS, cert=file).json()["certificate"] == expected.hex()
    assert requests.get(HTTPS).json()["certificate"] is None
    assert [entry.client_certificate for entry in sandbox.received] == [expected, None]


def test_a_client_certificate_of_another_authority_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    leaf = trustme.CA().issue_cert(common_name="stranger")
    file = written(tmp_path / "stranger.pem", leaf.private_key_and_cert_chain_pem.bytes())
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(HTTPS, cert=file)
    assert sandbox.received.all() == []


def proxy_certificate(user: trustme.LeafCert) -> tuple[bytes, bytes]:
    """Make what CADC's users hold: a short-lived certificate that the user's own one has signed (RFC 3820)."""
    issuer = x509.load_pem_x509_certificate(user.cert_chain_pems[0].bytes())
    issuer_key = serialization.load_pem_private_key(user.private_key_pem.bytes(), None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    inherit_all = bytes.fromhex("300c300a06082b06010505071501")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([*issuer.subject, x509.NameAttribute(NameOID.COMMON_NAME, "1234567")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(1234567)
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.5.5.7.1.14"), inherit_all), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def test_a_proxy_certificate_is_accepted(sandbox: Sandbox, tmp_path: Path) -> None:
    user = sandbox.authority.issue_client("demo-pi")
    certificate, key = proxy_certificate(user)
    file = written(tmp_path / "proxy.pem", certificate, key, user.cert_chain_pems[0].bytes())
    assert requests.get(HTTPS, cert=file).json()["certificate"] == der(certificate).hex()


def test_many_threads_are_served_and_every_request_is_written_down(sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: requests.get(f"{HTTPS}/{number}").json(), range(64)))
    assert sorted(answer["visits"] for answer in answers) == list(range(1, 65))
    assert {entry.path for entry in sandbox.received} == {f"/{number}" for number in range(64)}


def test_each_sandbox_makes_its_stand_ins_anew(toy: StandIn) -> None:
    for _ in range(2):
        with Sandbox([toy]) as sandbox, sandbox.activated():
            assert requests.get(HTTPS).json()["visits"] == 1
            assert sandbox.bench("toy").counters["apps"] == 1


def test_a_bench_is_there_before_the_start() -> None:
    seen: list[Any] = []

    def app(bench: Bench) -> web.Application:
        seen.append((bench.knob("colour"), bench.authority))
        return web.Application()

    sandbox = Sandbox([StandIn(archive="a", hosts=("a.example",), credentials={}, app=app)])
    sandbox.bench("a").knobs["colour"] = "blue"
    with sandbox:
        assert seen == [("blue", sandbox.authority)]


def test_a_sandbox_is_used_once(toy: StandIn) -> None:
    with Sandbox([toy]) as sandbox:
        pass
    with pytest.raises(SandboxError, match="used once"), sandbox:
        pass


@pytest.mark.parametrize("use", [lambda sandbox: sandbox.environ, lambda sandbox: sandbox.ca_pem])
def test_what_a_sandbox_has_only_while_it_runs_says_so(toy: StandIn, use: Callable[[Sandbox], object]) -> None:
    with pytest.raises(SandboxError, match="with"):
        use(Sandbox([toy]))


def test_nothing_is_left_at_the_end(toy: StandIn) -> None:
    threads = threading.active_count()
    with Sandbox([toy]) as sandbox, sandbox.activated(), requests.Session() as session:
        session.get(HTTPS)
        folder, port = sandbox.folder, sandbox.ports[443]
        started = time.monotonic()
    assert time.monotonic() - started < 2, "an idle connection must not hold up the end"
    assert not folder.exists()
    assert threading.active_count() == threads
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_a_stand_in_that_cannot_start_raises_its_own_error_and_leaves_nothing() -> None:
    def app(_bench: Bench) -> web.Application:
        raise LookupError("no such table")

    threads = threading.active_count()
    sandbox = Sandbox([StandIn(archive="a", hosts=("a.example",), credentials={}, app=app)])
    with pytest.raises(LookupError, match="no such table"):
        sandbox.__enter__()
    assert threading.active_count() == threads


def test_a_stand_in_cleans_up_after_itself() -> None:
    ended: list[str] = []

    def app(_bench: Bench) -> web.Application:
        async def end(_app: web.Application) -> None:
            ended.append(threading.current_thread().name)

        application = web.Application()
        application.on_cleanup.append(end)
        return application

    with Sandbox([StandIn(archive="a", hosts=("a.example",), credentials={}, app=app)]):
        assert ended == []
    assert ended == ["vo-auth-sandbox"]


def test_only_the_named_archives_are_served_and_extra_ones_always(toy: StandIn) -> None:
    other = StandIn(archive="other", hosts=("other.example",), credentials={}, app=toy.app)
    third = StandIn(archive="elsewhere", hosts=("storage.example",), credentials={}, app=toy.app)
    with Sandbox([toy, other], only=["other"], extra=[third]) as sandbox, sandbox.activated():
        assert sandbox.hosts == ("other.example", "storage.example", "www.ivoa.net")
        assert [standin.archive for standin in sandbox.standins] == ["other", "elsewhere"]
        assert requests.get("https://storage.example/x").json()["host"] == "storage.example"


def test_an_archive_that_is_not_there_is_named_with_those_that_are(toy: StandIn) -> None:
    with pytest.raises(SandboxError, match=r"stand-in for nonesuch.*toy"):
        Sandbox([toy], only=["nonesuch"])
    with pytest.raises(VoAuthError, match="toy"):
        Sandbox([toy]).bench("nonesuch")


@pytest.mark.parametrize(("archive", "host"), [("toy", "new.example"), ("new", "archive.TOY.example")])
def test_two_stand_ins_for_one_thing_are_an_error(toy: StandIn, archive: str, host: str) -> None:
    double = StandIn(archive=archive, hosts=(host,), credentials={}, app=toy.app)
    with pytest.raises(SandboxError, match="two stand-ins"):
        Sandbox([toy, double])


def test_the_vocabulary_is_what_pyvo_reads(sandbox: Sandbox) -> None:
    from pyvo.utils import vocabularies

    vocabularies.get_vocabulary.cache_clear()
    try:
        terms = vocabularies.get_vocabulary("datalink/core")["terms"]
    finally:
        vocabularies.get_vocabulary.cache_clear()
    assert {"bias", "dark", "flat"} == set(terms["calibration"]["narrower"])
    assert terms["cutout"]["wider"] == ["proc"]
    assert vocabularies.get_label({"terms": terms}, "this")
    assert [entry.path for entry in sandbox.received.at("www.ivoa.net")] == ["/rdf/datalink/core"]


def test_the_vocabulary_agrees_with_the_one_that_pyvo_tests_with() -> None:
    import pyvo

    from vo_auth.sandbox.vocabulary import datalink_core

    file = Path(pyvo.__file__).parent / "dal/tests/data/datalink/datalink.desise"
    if not file.exists():
        pytest.skip("this pyvo comes without its test data")
    published = json.loads(file.read_text("utf-8"))
    ours = datalink_core()
    assert ours["uri"] == published["uri"]
    structure = {name: (term["wider"], sorted(term["narrower"])) for name, term in ours["terms"].items()}
    assert structure == {name: (term["wider"], sorted(term["narrower"])) for name, term in published["terms"].items()}


def test_only_the_form_that_is_there_is_served(sandbox: Sandbox) -> None:
    assert requests.get("http://www.ivoa.net/rdf/datalink/core").status_code == 406


def test_a_sandbox_is_ready_in_well_under_three_seconds(toy: StandIn) -> None:
    started = time.monotonic()
    with Sandbox([toy]):
        assert time.monotonic() - started < 1.5
