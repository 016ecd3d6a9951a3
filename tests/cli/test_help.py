"""Help: golden texts of all verbs, in 80 columns, each with an example."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

import golden

ANEW = "if that is on purpose, run: python tests/cli/golden.py"


@cache
def printed() -> dict[str, str]:
    return golden.printed()


def test_the_help_of_every_verb_is_as_it_was_agreed() -> None:
    texts = {golden.place(verb): text for verb, text in printed().items()}
    agreed = {path: path.read_text(encoding="utf-8") for path in golden.FOLDER.glob("*.txt")}
    assert {path.name for path in texts} == {path.name for path in agreed}, ANEW
    for path, text in texts.items():
        assert text == agreed[path], f"{path.name}: {ANEW}"


def test_every_help_fits_80_columns() -> None:
    assert len(printed()) > 10
    wide = {verb: line for verb, text in printed().items() for line in text.splitlines() if len(line) > 80}
    assert not wide


def test_every_verb_shows_an_example() -> None:
    groups = {verb.rpartition(" ")[0] for verb in printed() if " " in verb}  # they hold verbs, which have examples
    assert [verb for verb, text in printed().items() if "Example: vo-auth" not in text and verb not in groups] == []
