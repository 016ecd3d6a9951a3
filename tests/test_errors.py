"""The error tree: what each failure is, for those who catch it."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest
import requests

from vo_auth import errors
from vo_auth.errors import InsecureUrlError, LoginUnreachableError, VoAuthError, VoAuthWarning

CLASSES = {
    name: thing
    for name, thing in vars(errors).items()
    if inspect.isclass(thing) and thing.__module__ == errors.__name__
}
ERRORS = [thing for thing in CLASSES.values() if issubclass(thing, Exception) and not issubclass(thing, Warning)]
WARNINGS = [thing for thing in CLASSES.values() if issubclass(thing, Warning)]


def drawn() -> dict[str, str]:
    """Return class → parent as the module's docstring draws them."""
    parents: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"    ([│├└─ ]*)([A-Za-z.]+(?:Error|Exception|Warning))\b", line):
            depth, name = len(match[1]), match[2].rpartition(".")[2]
            while above and above[-1][0] >= depth:
                above.pop()
            if above:
                parents[name] = above[-1][1]
            above.append((depth, name))
    return parents


def test_the_drawing_has_every_class_under_its_parent_and_no_other() -> None:
    assert drawn() == {name: thing.__bases__[0].__name__ for name, thing in CLASSES.items()}


def test_all_is_every_class() -> None:
    assert sorted(errors.__all__) == sorted(CLASSES)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_is_a_plain_request_exception(kind: type[Exception]) -> None:
    assert issubclass(kind, requests.RequestException)
    # pyvo reads an HTTPError's response, and replaces the text of a ConnectionError or a Timeout
    assert not issubclass(kind, requests.HTTPError | requests.ConnectionError | requests.Timeout)
    assert issubclass(kind, VoAuthError)
    assert kind.__name__.endswith("Error")


@pytest.mark.parametrize("kind", WARNINGS, ids=lambda kind: kind.__name__)
def test_every_warning_is_a_user_warning(kind: type[Warning]) -> None:
    assert issubclass(kind, UserWarning)
    assert issubclass(kind, VoAuthWarning)
    assert kind.__name__.endswith("Warning")


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_an_error_keeps_its_text_through_a_pickle(kind: type[Exception]) -> None:
    error = pickle.loads(pickle.dumps(kind("do this next")))
    assert type(error) is kind
    assert str(error) == "do this next"
    assert error.args == ("do this next",)


def test_what_an_error_carries_beside_its_text_survives_a_pickle() -> None:
    assert pickle.loads(pickle.dumps(LoginUnreachableError("later", retry_after=7.0))).retry_after == 7.0
    secure = pickle.loads(pickle.dumps(InsecureUrlError("no", https_url="https://archive.example.org/")))
    assert secure.https_url == "https://archive.example.org/"


def test_an_error_can_carry_the_request_that_failed() -> None:
    request = requests.Request("GET", "https://archive.example.org/").prepare()
    error = VoAuthError("no permit")
    error.request = request
    assert pickle.loads(pickle.dumps(error)).request.url == request.url
