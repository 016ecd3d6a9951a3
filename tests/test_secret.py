"""A secret is not seen by accident."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vo_auth import Secret

FAKE = "obviously-fake"


@pytest.mark.parametrize(
    "shown",
    [
        str(Secret(FAKE)),
        repr(Secret(FAKE)),
        f"{Secret(FAKE)}",
        f"{Secret(FAKE)!r:>30}",
        format(Secret(FAKE), ">20"),
        "%s %r" % (Secret(FAKE), Secret(FAKE)),  # noqa: UP031 - one of the ways
        str([Secret(FAKE)]),
        repr({"password": Secret(FAKE)}),
        str(ValueError(Secret(FAKE))),
        str(dir(Secret(FAKE))),
    ],
)
def test_a_secret_is_masked_wherever_it_is_shown(shown: str) -> None:
    assert FAKE not in shown


def test_a_secret_is_revealed_only_on_request() -> None:
    assert Secret(FAKE).reveal() == FAKE


def test_vars_have_nothing_to_show() -> None:
    with pytest.raises(TypeError):
        vars(Secret(FAKE))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_is_refused(protocol: int) -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps([Secret(FAKE)], protocol)


def test_json_is_refused() -> None:
    with pytest.raises(TypeError):
        json.dumps({"token": Secret(FAKE)})


def test_copies_are_the_same_secret() -> None:
    secret = Secret(FAKE)
    assert copy.copy(secret) is secret
    assert copy.deepcopy({"a": [secret]})["a"][0] is secret


def test_secrets_are_equal_by_value_and_to_secrets_alone() -> None:
    assert Secret(FAKE) == Secret(FAKE)
    assert Secret(FAKE) != Secret("other-fake")
    assert Secret(FAKE) != FAKE
    assert len({Secret(FAKE), Secret(FAKE), Secret("other-fake")}) == 2


def test_an_empty_secret_is_false() -> None:
    assert not Secret("")
    assert Secret("0")


@pytest.mark.parametrize("value", [b"bytes", None, 1, bytearray(b"x")])
def test_only_text_can_be_a_secret(value: object) -> None:
    with pytest.raises(TypeError, match=type(value).__name__):
        Secret(value)  # type: ignore[arg-type]


def test_text_that_cannot_be_encoded_is_refused_without_being_shown() -> None:
    with pytest.raises(ValueError, match="not valid Unicode") as caught:
        Secret(FAKE + "\udce9")
    assert FAKE not in str(caught.value)
    assert caught.value.__context__ is None  # an encoder's error would hold the text


@given(st.text(), st.text())
def test_comparing_never_fails(one: str, other: str) -> None:
    assert (Secret(one) == Secret(other)) is (one == other)


def test_a_secret_takes_no_attributes() -> None:
    with pytest.raises(AttributeError):
        Secret(FAKE).note = "x"  # type: ignore[attr-defined]
