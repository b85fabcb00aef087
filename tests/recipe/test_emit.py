"""Recipes written as YAML, and as starters."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlkit.recipe.document import parse_document
from dlkit.recipe.emit import block, ordered_fields, to_yaml
from dlkit.recipe.resolve import resolve
from dlkit.recipe.scalars import write_scalar
from dlkit.recipe.schema import EarlyStopping, TrainingRecipe
from dlkit.recipe.template import starter
from tests.recipe.sample import (
    MINIMAL,
    SampleAdam,
    SampleData,
    SampleDense,
    SampleDropout,
    SampleNorm,
    SampleRecipe,
    SampleRepeat,
    SampleSgd,
    read,
)

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(min_value=5e-324, max_value=1e308)
DENSE = st.builds(SampleDense, units=st.integers(1, 10**18), activation=st.sampled_from([None, "relu"]))
LAYER = st.recursive(
    st.one_of(DENSE, st.builds(SampleDropout, p=st.floats(0, 0.999)), st.just(SampleNorm())),
    lambda some: st.builds(SampleRepeat, times=st.integers(1, 9), layers=st.lists(some, min_size=1)),
    max_leaves=6,
)
OPTIMIZER = st.one_of(
    st.builds(SampleAdam, lr=POSITIVE, beta1=st.floats(0, 0.99)),
    st.builds(SampleSgd, name=st.sampled_from(["sgd", "momentum"]), lr=POSITIVE),
)
RECIPE = st.builds(
    SampleRecipe,
    data=st.builds(
        SampleData,
        train=TEXTS.map("t".__add__),
        valid=st.one_of(st.none(), TEXTS, st.integers(-9, 9), FINITE),
        ignore=st.lists(TEXTS, max_size=3),
    ),
    model=st.lists(LAYER, max_size=4),
    optimizer=OPTIMIZER,
    second=st.one_of(st.none(), OPTIMIZER),
    batch=st.one_of(st.integers(1, 99), st.just("full")),
    label=st.one_of(st.none(), TEXTS),
    shuffle=st.booleans(),
    weights=st.dictionaries(TEXTS, FINITE, max_size=3),
    seed=st.integers(0, 2**63 - 1),
    early_stopping=st.one_of(st.none(), st.builds(EarlyStopping, patience=st.integers(1, 99))),
    variants=st.dictionaries(st.sampled_from(["a", "日本"]), st.fixed_dictionaries({"label": TEXTS})),
)


@given(RECIPE)
def test_a_recipe_written_is_read_back_equal(recipe: SampleRecipe) -> None:
    text = to_yaml(recipe)
    again = resolve(SampleRecipe, parse_document(text, "r.yaml"))
    assert again == recipe
    assert to_yaml(again) == text


PLAIN: Any = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.floats(allow_nan=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=15,
)


@given(PLAIN)
def test_plain_data_written_are_read_back(data: Any) -> None:
    text = "".join(f"{line}\n" for line in block(data))
    assert parse_document(text, "r.yaml").data == data


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-3, "0.001"),
        (1e-5, "1e-05"),
        (1.0, "1.0"),
        (1e22, "1e+22"),
        (0.1 + 0.2, "0.30000000000000004"),
        (-math.inf, "-.inf"),
        (math.nan, ".nan"),
        (True, "true"),
        (None, "null"),
        ("no", '"no"'),
        ("12", '"12"'),
        ("a b", "a b"),
        ("日本語", "日本語"),
        ("../a/b.csv", "../a/b.csv"),
        ("/a", "/a"),
        ("...", '"..."'),
        (".5", '".5"'),
        ("a: b", '"a: b"'),
        ("", '""'),
        ("a\n\x7f\u2028b", '"a\\n\\u007f\\u2028b"'),
    ],
)
def test_scalars_are_short_and_exact(value: object, text: str) -> None:
    assert write_scalar(value) == text


def test_only_plain_values_are_written() -> None:
    with pytest.raises(TypeError, match="cannot hold a set"):
        write_scalar({1})


def test_the_layout() -> None:
    text = to_yaml(read(MINIMAL + "model: [{dense: 4}, batch_norm, {repeat: {times: 2, layers: [dropout]}}]"))
    assert text.startswith(
        """\
command: train-sample
data:
  train: a.csv
  valid: null
  test: null
  ignore: []
model:
  - dense: 4
  - batch_norm
  - repeat:
      times: 2
      layers:
        - dropout: 0.5
"""
    )
    assert "\noptimizer:\n  name: momentum\n  lr: 0.1\n" in text
    assert text.splitlines()[-1] == "tf32: false"


def test_own_fields_stand_before_those_of_every_command() -> None:
    names = ordered_fields(SampleRecipe)
    assert names[0] == "command"
    assert sorted(names) == sorted(SampleRecipe.model_fields)
    shared = [name for name in names[1:] if name in TrainingRecipe.model_fields]
    assert names[-len(shared) :] == shared


def test_a_starter_is_a_valid_recipe_of_defaults() -> None:
    text = starter(SampleRecipe, head="Head.", source_key="data.train")
    recipe = resolve(SampleRecipe, parse_document(text, "r.yaml"))
    assert recipe == read("data: {train: data.csv}")
    lines = text.splitlines()
    assert lines[0] == "# Head."
    assert all(len(line) <= 100 for line in lines)


def test_a_starter_describes_every_key() -> None:
    lines = starter(SampleRecipe).splitlines()
    for number, line in enumerate(lines):
        if (
            line
            and not line.lstrip().startswith(("#", "-"))
            and "units" not in line
            and "activation" not in line
        ):
            assert lines[number - 1].lstrip().startswith("#"), line
    text = "\n".join(lines)
    assert "# Training file. Required: it has no default." in text
    assert "# How. Known: adam, sgd, momentum." in text
    assert "One of: float32, float64." in text
