"""What an exception remembers."""

from __future__ import annotations

import requests

from vo_auth.errors import LoginAnswerError
from vo_auth.scrub import scrubbed
from vo_auth.testing import assert_no_secret

FAKE = "".join(("obviously", "-fake"))


def raised_with_secret(kind: type[Exception]) -> Exception:
    namespace: dict[str, object] = {"kind": kind, "fake": FAKE}
    # from another file, so that its frames are searched: those of this one hold the secret anyway
    code = compile(
        "def inner(password):\n"
        "    try:\n"
        "        raise KeyError('reason')\n"
        "    except KeyError as error:\n"
        "        raise kind(ValueError('wrapped', error)) from error\n"
        "def call():\n"
        "    try:\n"
        "        inner(fake)\n"
        "    except Exception as error:\n"
        "        return error\n",
        "elsewhere.py",
        "exec",
    )
    exec(code, namespace)
    call = namespace["call"]
    assert callable(call)
    error = call()
    assert isinstance(error, Exception)
    return error


def test_the_frames_of_the_whole_chain_are_cut() -> None:
    error = raised_with_secret(requests.ConnectionError)
    cause = error.__cause__
    assert cause is not None
    assert cause.__traceback__ is not None
    assert scrubbed(error) is error
    assert error.__traceback__ is None
    assert cause.__traceback__ is None
    assert error.__cause__ is cause  # what happened stays readable
    assert_no_secret([FAKE], error)


def test_our_errors_lose_what_they_came_from() -> None:
    error = raised_with_secret(LoginAnswerError)
    scrubbed(error)
    assert error.__cause__ is None
    assert error.__context__ is None


def test_a_group_and_a_circle_are_cut_as_well() -> None:
    inner = raised_with_secret(ValueError)
    group = ExceptionGroup("several", [inner])
    inner.__context__ = group
    scrubbed(group)
    assert inner.__traceback__ is None
