"""The search for leaked secrets finds them where they hide, and does not show them."""

from __future__ import annotations

import base64
import logging
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
import requests

from vo_auth.secret import Secret
from vo_auth.testing import assert_no_secret

SECRET = "pa/ss w:rd+«obviously»\"fake'"


def found(*objects: object, secret: str | Secret = SECRET) -> str:
    with pytest.raises(AssertionError) as caught:
        assert_no_secret([secret], *objects)
    text = str(caught.value)
    assert SECRET not in text
    return text


def elsewhere(function: str) -> Callable[[], None]:
    """Return a function as if from another file: this one holds the secret on purpose."""
    scope: dict[str, Callable[[], None]] = {}
    exec(compile(function, "elsewhere.py", "exec"), {"SECRET": SECRET}, scope)
    return scope["f"]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (f"password={SECRET}", "as it is"),
        (urlencode({"p": SECRET}), "percent-encoded"),
        (quote(SECRET), "percent-encoded"),
        (requests.Request("GET", "https://a.example", params={"p": SECRET}).prepare().url, "percent-encoded"),
        (repr([SECRET]), "as repr writes it"),
        (requests.Request("POST", "https://a.example", json={"p": SECRET}).prepare().body, "as JSON writes it"),
        *((base64.b64encode(b"x" * n + SECRET.encode() + b"y").decode(), "in base64") for n in range(4)),
        *((base64.urlsafe_b64encode(b"x" * n + SECRET.encode()).decode(), "in base64") for n in range(3)),
        (SECRET.encode(), "as it is"),
        (bytearray(SECRET.encode()), "as it is"),
    ],
)
def test_a_secret_is_found_in_its_disguises(text: object, form: str) -> None:
    assert f"secret 1 ({form}) is in object 1" in found(text)


def test_lower_case_escapes_are_found() -> None:
    assert "percent-encoded" in found("pa%2fss%20w%3ard%2b%c2%abobviously%c2%bb%22fake%27")


def test_what_has_no_secret_passes() -> None:
    assert_no_secret(
        [SECRET, Secret("another-fake")], "text", b"bytes", 3, None, ["list"], {"a": "mapping"}, KeyError()
    )


def test_the_number_of_the_secret_and_of_the_object_are_told() -> None:
    with pytest.raises(AssertionError, match=r"secret 2 \(as it is\) is in object 3 \(str\): its text"):
        assert_no_secret(["not-there", "obviously-fake"], "a", "b", "an obviously-fake one")


def test_a_secret_object_is_looked_for_and_is_itself_no_leak() -> None:
    assert_no_secret([Secret(SECRET)], Secret(SECRET), {"permit": Secret(SECRET)})
    assert found(SECRET, secret=Secret(SECRET))


class Box:
    def __init__(self, **things: object) -> None:
        vars(self).update(things)


class Loud:
    def __repr__(self) -> str:
        return SECRET


class Deep:
    """Nothing to see but in the pickle."""

    def __init__(self) -> None:
        self.inner = Box(secret=SECRET)


@pytest.mark.parametrize(
    ("thing", "place"),
    [
        (Loud(), "its str"),
        (Box(word=SECRET), "its attribute 'word'"),
        (Box(words=[SECRET]), "its attribute 'words'"),
        (Deep(), "its pickle"),
        (["a", {"b": (SECRET,)}], "item 2 (dict), item 2 (tuple), item 1 (str): its text"),
        ({SECRET: 1}, "item 1 (str): its text"),
    ],
)
def test_a_secret_is_found_in_objects(thing: object, place: str) -> None:
    assert place in found(thing)


def test_a_secret_is_found_in_the_pickle_of_a_response() -> None:
    response = requests.Response()
    response.request = requests.Request(
        "GET", "https://a.example", headers={"Authorization": "obviously-fake"}
    ).prepare()
    assert b"obviously-fake" in pickle.dumps(response)
    assert "its pickle" in found(response, secret="obviously-fake")


def test_the_items_of_containers_are_searched_as_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "file").write_text(SECRET, "utf-8")
    assert "item 2 (PosixPath)" in found(["a", tmp_path]).replace("WindowsPath", "PosixPath")


def throw(error: BaseException) -> None:
    raise error


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    error.__cause__ = cause
    with pytest.raises(type(error)) as caught:
        throw(error)
    return caught.value


def in_context() -> BaseException:
    def hide() -> None:
        try:
            throw(KeyError(SECRET))
        except KeyError:
            raise ValueError("plain") from None

    with pytest.raises(ValueError, match="plain") as caught:
        hide()
    return caught.value


def with_note() -> BaseException:
    error = ValueError("plain")
    error.add_note(f"tried {SECRET}")
    return error


def with_attribute() -> BaseException:
    error = requests.RequestException("plain")
    error.request = Box(url=SECRET)
    return error


@pytest.mark.parametrize(
    ("error", "place"),
    [
        (ValueError(SECRET), "object 1 (ValueError): its str"),
        (raised(ValueError("plain"), KeyError(SECRET)), "its __cause__ (KeyError): its str"),
        (in_context(), "its __context__ (KeyError): its str"),
        (with_note(), "its attribute '__notes__'"),
        (ExceptionGroup("plain", [ValueError("a"), KeyError(SECRET)]), ""),
    ],
)
def test_a_secret_is_found_in_exceptions_and_their_chains(error: BaseException, place: str) -> None:
    assert place in found(error)


def test_a_secret_is_found_in_what_an_exception_carries() -> None:
    assert "its pickle" in found(with_attribute())


def test_a_secret_is_found_among_the_local_variables_of_a_traceback() -> None:
    failing = elsewhere("def f():\n    word = SECRET\n    raise ValueError('plain')\n")
    with pytest.raises(ValueError, match="plain") as caught:
        failing()
    assert "its traceback: the local variable 'word' of f, elsewhere.py line 3" in found(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_the_local_variables_of_the_calling_file_are_its_own_matter() -> None:
    word = SECRET
    assert_no_secret([word], raised(ValueError("plain")))


def test_a_chain_that_goes_in_a_circle_comes_to_an_end() -> None:
    first, second = ValueError("one"), ValueError("two")
    first.__cause__, second.__context__ = second, first
    assert_no_secret([SECRET], first)


def test_a_secret_is_found_in_log_records(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("toy").warning("sent %s", SECRET)
    assert "of the logger toy: its message" in found(caplog.records)
    caplog.clear()
    try:
        throw(KeyError(SECRET))
    except KeyError:
        logging.getLogger("toy").exception("plain")
    assert found(caplog.records)
    caplog.clear()
    logging.getLogger("toy").warning("plain", extra={"word": SECRET})
    assert "of the logger toy: its attributes" in found(caplog.records)


def test_a_secret_is_found_in_files_and_their_names(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert_no_secret([SECRET], tmp_path)
    (tmp_path / "a" / "b" / "wallet.json").write_bytes(b"\0\xff" + SECRET.encode())
    assert "the file wallet.json" in found(tmp_path)
    (tmp_path / "a" / "obviously-fake.txt").touch()
    assert "a file's name" in found(tmp_path, secret="obviously-fake")


def test_a_place_that_does_not_exist_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        assert_no_secret([SECRET], tmp_path / "nowhere")


@pytest.mark.parametrize("secrets", [[], ["abc"], [""]])
def test_a_search_that_could_not_fail_or_not_pass_is_a_mistake(secrets: list[str]) -> None:
    with pytest.raises(ValueError, match="secret"):
        assert_no_secret(secrets, "text")
