"""Texts of several lines in a recipe: the place of each character, and writing them back."""

from typing import Literal, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, model_validator

from dlkit.errors import RecipeError
from dlkit.recipe.document import parse_document
from dlkit.recipe.emit import block, is_literal
from dlkit.recipe.resolve import resolve
from dlkit.recipe.schema import TextFault, TextFaults, TrainingRecipe


class Drawn(TrainingRecipe):
    """A recipe with a text whose question marks are faults."""

    command: Literal["drawn"] = Field("drawn", description="Command.")
    drawing: str = Field("", description="Text.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        rows = self.drawing.split("\n")
        found = [
            TextFault(r, c, "a question", "ask less")
            for r, row in enumerate(rows)
            for c, one in enumerate(row)
            if one == "?"
        ]
        if found:
            raise TextFaults(found, key="drawing")
        return self


def problems(text: str, *sets: str) -> list[str]:
    with pytest.raises(RecipeError) as raised:
        resolve(Drawn, parse_document(text, "a.yaml"), sets)
    return [str(problem) for problem in raised.value.problems]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("drawing: |\n  ab\n  c?\n", ["3:4"]),
        ("seed: 2\ndrawing: |2-   # indented by two\n   ?\n  ?b\n\nepochs: 3\n", ["3:4", "4:3"]),
        ("drawing: |\n\n     ab\n     表?\n", ["4:7"]),
        ('drawing: "ab\\nc?"\n', ["1:10"]),
        ("drawing: |\r\n  ab\r\n  ?\r\n", ["3:3"]),
    ],
)
def test_a_fault_inside_a_text_is_at_its_character(text: str, places: list[str]) -> None:
    assert problems(text) == [f"a.yaml:{place}: drawing: a question (ask less)" for place in places]


def test_a_fault_of_set_is_told_there() -> None:
    assert problems("seed: 2\n", "drawing=a?") == ["--set: drawing: a question (ask less)"]


def test_aliases_keep_the_place() -> None:
    document = parse_document("a: &x |\n  one\n  two\nb: *x\n", "a.yaml")
    assert document.where_in_text(("b",), 1, 2) == "a.yaml:3:5"


LINES = st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=4)


@given(st.one_of(LINES.map(lambda lines: "\n".join(lines) + "\n"), st.text(max_size=12)))
def test_a_text_is_read_back(text: str) -> None:
    written = "".join(f"{line}\n" for line in block({"drawing": text, "after": {"inner": text}}))
    assert parse_document(written, "a.yaml").data == {"drawing": text, "after": {"inner": text}}


def test_a_drawing_is_written_as_it_looks() -> None:
    assert is_literal("S..\n.#G\n")
    assert list(block({"drawing": "S..\n.#G\n"})) == ["drawing: |", "  S..", "  .#G"]
