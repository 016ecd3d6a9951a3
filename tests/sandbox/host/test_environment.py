"""The variables that bring a program into the sandbox."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vo_auth.sandbox import Sandbox, StandIn
from vo_auth.sandbox.environment import Changes, Places, applied, compute, merged, wgetrc
from vo_auth.sandbox.run import export_lines


def places(*, proxy_port: int | None = 8888, folder: str = "somewhere") -> Places:
    base = Path(folder)
    return Places(
        proxy_port=proxy_port,
        ca_pem=base / "ca.pem",
        data=base / "sandbox.json",
        wgetrc=base / "wgetrc",
        trust_store=base / "trust.p12",
        trust_store_password="obviously-fake",
        home=base / "home",
        state=base / "state",
        site=base / "_site",
        user_base="user-base",
    )


def changes(toy: StandIn, **current: str) -> Changes:
    return compute(places(), standins=[toy], current=current)


def test_proxies_are_set_in_both_cases_and_only_loopback_goes_without(toy: StandIn) -> None:
    result = changes(toy, NO_PROXY="toy.example")
    for name in ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy"):
        assert result[name] == result[name.upper()] == "http://127.0.0.1:8888"
    assert result["no_proxy"] == result["NO_PROXY"] == "localhost,127.0.0.1,::1"


def test_only_the_authority_of_the_sandbox_is_trusted(toy: StandIn) -> None:
    result = changes(toy, SSL_CERT_DIR="system")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        assert result[name] == str(Path("somewhere/ca.pem"))
    assert result["SSL_CERT_DIR"] is None


@pytest.mark.parametrize("credentials", [True, False])
def test_credentials_of_the_user_are_unset_whatever_the_archive(toy: StandIn, credentials: bool) -> None:
    own = {
        "VO_AUTH_TOY_TOKEN_FILE": "x",
        "VO_AUTH_ESO_PASSWORD": "x",
        "VO_AUTH_A_B_CLIENT_SECRET": "x",
        "VO_AUTH_ESO_ACCOUNT": "x",
    }
    result = compute(places(), standins=[toy], current={**own, "VO_AUTH_X": "kept"}, credentials=credentials)
    assert {result[name] for name in own} == {None}
    assert "VO_AUTH_X" not in result


def test_the_first_role_is_the_demo_user(toy: StandIn) -> None:
    result = changes(toy)
    assert (result["VO_AUTH_TOY_USERNAME"], result["VO_AUTH_TOY_PASSWORD"]) == ("demo-pi", "obviously-fake")
    assert "VO_AUTH_TOY_TOKEN" not in result


def test_without_credentials_there_are_none(toy: StandIn) -> None:
    result = compute(places(), standins=[toy], current={"VO_AUTH_TOY_PASSWORD": "real"}, credentials=False)
    assert result["VO_AUTH_TOY_PASSWORD"] is None
    assert "VO_AUTH_TOY_USERNAME" not in result


def test_what_the_user_has_set_for_python_and_java_stays_behind_ours(toy: StandIn) -> None:
    result = changes(toy, PYTHONPATH="mine", JAVA_TOOL_OPTIONS="-Xmx1g")
    assert result["PYTHONPATH"] == os.pathsep.join([str(Path("somewhere/_site")), "mine"])
    assert str(result["JAVA_TOOL_OPTIONS"]).startswith("-Xmx1g -Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=8888 ")


def test_java_options_with_spaces_are_quoted(toy: StandIn) -> None:
    result = compute(places(folder="a b"), standins=[toy], current={})
    store = Path("a b/trust.p12")
    assert f'"-Djavax.net.ssl.trustStore={store}" ' in str(result["JAVA_TOOL_OPTIONS"])


def test_on_the_real_ports_no_proxy_is_named(toy: StandIn) -> None:
    result = compute(places(proxy_port=None), standins=[toy], current={"https_proxy": "http://corporate.example"})
    assert (result["https_proxy"], result["HTTPS_PROXY"]) == (None, None)
    assert "proxy" not in str(result["JAVA_TOOL_OPTIONS"])
    assert "use_proxy" not in wgetrc(places(proxy_port=None))


@pytest.mark.parametrize("windows", [True, False])
def test_home_and_caches_are_temporary(toy: StandIn, windows: bool) -> None:
    result = compute(places(), standins=[toy], current={"ASTROPY_CACHE_DIR": "real"}, windows=windows)
    assert result["HOME"] == str(Path("somewhere/home"))
    assert ("USERPROFILE" in result) is windows
    assert str(result["XDG_CACHE_HOME"]).startswith(str(Path("somewhere/home")))
    assert result["VO_AUTH_HOME"] == str(Path("somewhere/state"))
    assert result["PYTHONUSERBASE"] == "user-base"
    assert result["ASTROPY_CACHE_DIR"] is None


def test_a_merged_environment_has_nothing_that_is_to_be_unset() -> None:
    before = {"A": "1", "B": "2"}
    assert merged({"A": None, "C": "3"}, before) == {"B": "2", "C": "3"}
    assert before == {"A": "1", "B": "2"}


def test_applied_variables_are_put_back_even_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_TEST_A", "before")
    monkeypatch.delenv("SANDBOX_TEST_B", raising=False)
    inside: dict[str, str] = {}

    def fail() -> None:
        with applied({"SANDBOX_TEST_A": None, "SANDBOX_TEST_B": "now"}):
            inside.update(os.environ)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert "SANDBOX_TEST_A" not in inside
    assert inside["SANDBOX_TEST_B"] == "now"
    assert os.environ["SANDBOX_TEST_A"] == "before"
    assert "SANDBOX_TEST_B" not in os.environ


def test_everything_that_the_environment_names_is_there(toy: StandIn) -> None:
    with Sandbox([toy]) as sandbox:
        assert sandbox.ca_pem.read_bytes() == sandbox.authority.pem
        assert sandbox.environ["REQUESTS_CA_BUNDLE"] == str(sandbox.ca_pem)
        for name in ("WGETRC", "VO_AUTH_SANDBOX", "HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
            assert Path(str(sandbox.environ[name])).exists()
        site, _, _ = str(sandbox.environ["PYTHONPATH"]).partition(os.pathsep)
        assert (Path(site) / "sitecustomize.py").is_file()
        assert not Path(str(sandbox.environ["VO_AUTH_HOME"])).exists(), "the wallet makes its own folder"


def test_lines_for_a_shell_are_quoted() -> None:
    nasty = {"A": "it's; echo $HOME `x`", "B": None}
    assert export_lines(nasty) == ["export A='it'\"'\"'s; echo $HOME `x`'", "unset B"]
    assert export_lines(nasty, powershell=True) == [
        "$Env:A = 'it''s; echo $HOME `x`'",
        "Remove-Item Env:B -ErrorAction Ignore",
    ]
