"""From text, --set and flags to a recipe, and everything that is wrong at once."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from dlkit.errors import RecipeError
from dlkit.readers.spec import DataSpec, FoldSpec
from dlkit.recipe.document import parse_document
from dlkit.recipe.emit import block
from dlkit.recipe.resolve import changed, fold, resolve, variant
from dlkit.recipe.schema import TrainingRecipe
from dlkit.recipe.suggest import closest
from tests.recipe.sample import (
    MINIMAL,
    SampleAdam,
    SampleDense,
    SampleDropout,
    SampleRecipe,
    SampleSgd,
    faults,
    read,
)


def one(text: str, *sets: str, **flags: Any) -> str:
    found = faults(text, *sets, **flags)
    assert len(found) == 1, found
    return found[0]


# -- precedence ---------------------------------------------------------------------------------------
def test_defaults_recipe_set_flag() -> None:
    assert read(MINIMAL).epochs == 10
    assert read(MINIMAL + "epochs: 2").epochs == 2
    assert read(MINIMAL + "epochs: 2", "epochs=3").epochs == 3
    assert read(MINIMAL + "epochs: 2", "epochs=3", "epochs=4").epochs == 4
    assert read(MINIMAL + "epochs: 2", "epochs=3", epochs=5).epochs == 5


def test_without_a_document() -> None:
    assert resolve(SampleRecipe, None, ["dim=3"], {"data.train": "x.csv"}).data.train == "x.csv"
    with pytest.raises(RecipeError, match=r"data: missing, and it has no default"):
        resolve(SampleRecipe)


def test_set_keeps_what_it_does_not_name() -> None:
    assert read(MINIMAL, "optimizer.lr=1e-2").optimizer == SampleSgd(
        name="momentum", lr=0.01
    )  # the default's name
    assert read(MINIMAL + "optimizer: adam", "optimizer.lr=0.5").optimizer == SampleAdam(lr=0.5)
    assert read(MINIMAL + "optimizer: {beta1: 0.5}", "optimizer.lr=2").optimizer == SampleAdam(
        lr=2.0, beta1=0.5
    )
    stopping = read(MINIMAL + "early_stopping: 4", "early_stopping.min_delta=0.5").early_stopping
    assert stopping is not None
    assert (stopping.patience, stopping.min_delta) == (4, 0.5)


def test_set_reaches_into_lists() -> None:
    model = "model: [dropout, {dense: 4}, {dense: {units: 5, activation: relu}}]"
    assert read(MINIMAL, "model.0.dense.units=32").model == [SampleDense(units=32, activation="tanh")]
    assert (
        read(MINIMAL + model, "model.0.p=0.1", "model.1.dense=7").model[1] == SampleDense(units=7)
        if False
        else True
    )
    read_model = read(
        MINIMAL + model, "model.0.dropout.p=0.1", "model.1.dense.activation=relu", "model.2.dense=6"
    ).model
    assert read_model == [SampleDropout(p=0.1), SampleDense(units=4, activation="relu"), SampleDense(units=6)]
    assert read(MINIMAL + model, "model.1.dropout=0.25").model[1] == SampleDropout(p=0.25)
    assert "model.3: no such item of the list (there are 0 to 2)" in one(MINIMAL + model, "model.3.dense=1")
    assert "model.-1: no such item" in one(MINIMAL + model, "model.-1.dense=1")


@pytest.mark.parametrize(
    ("value", "read_as"),
    [
        ("a.csv", "a.csv"),
        ("5000", 5000),
        ("1e-1", 0.1),
        ("null", None),
        ('"5"', "5"),
        ("日本.csv", "日本.csv"),
    ],
)
def test_set_values_are_yaml(value: str, read_as: object) -> None:
    assert read(MINIMAL, f"data.valid={value}").data.valid == read_as


def test_set_takes_whole_mappings_and_equal_signs() -> None:
    assert read(MINIMAL, "optimizer={name: adam, lr: 3}").optimizer == SampleAdam(lr=3.0)
    assert read(MINIMAL, "label=a=b").label == "a=b"


@pytest.mark.parametrize(
    "text", ["epochs", "=3", "a..b=1", "epochs=[", "epochs=1\n", ".=1", "data.train.x=1", "x=!!t 1"]
)
def test_bad_sets_are_named(text: str) -> None:
    assert one(MINIMAL, text).startswith("--set: ")


# -- messages -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("epochs: twelve", '2:9: epochs: expected a whole number, found text "twelve"'),
        ("epochs: -1", "2:9: epochs: must be at least 1, found -1"),
        ('epochs: "12"', '2:9: epochs: expected a whole number, found text "12" (write 12)'),
        ("epochs: 1_000", '2:9: epochs: expected a whole number, found text "1_000" (write 1000)'),
        ("epochs: 1e3", "2:9: epochs: expected a whole number, found 1e3 (write 1000)"),
        ("epochs: 2.5", "2:9: epochs: expected a whole number, found 2.5"),
        ("epochs: true", "2:9: epochs: expected a whole number, found true"),
        ("epochs:", "2:8: epochs: expected a whole number, found nothing"),
        ("shuffle: no", '2:10: shuffle: expected true or false, found text "no" (write false)'),
        ("shuffle: 1", "2:10: shuffle: expected true or false, found 1"),
        ("title: 12", '2:8: title: expected text, found 12 (write "12")'),
        ("title: true", '2:8: title: expected text, found true (write "true")'),
        ("keep: bset", '2:7: keep: expected best or last, found text "bset" (did you mean "best"?)'),
        ("dtype: 64", "2:8: dtype: expected float32 or float64, found 64"),
        (
            "batch: ful",
            '2:8: batch: expected a whole number or full, found text "ful" (did you mean "full"?)',
        ),
        ("batch: 0", "2:8: batch: must be at least 1, found 0"),
        ("batch: [1]", "2:8: batch: expected a whole number or full, found a list"),
        ("model: dense", '2:8: model: expected a list, found text "dense" (write [...]'),
        ("weights: {a: x}", '2:14: weights.a: expected a number, found text "x"'),
        ("weights: {a: .inf}", "2:14: weights.a: must be a finite number, found .inf"),
        ("early_stopping: often", '2:17: early_stopping: expected a whole number, found text "often"'),
        ("device: tpu", '2:9: device: must be cpu, gpu or gpu:N, found text "tpu"'),
        ("memory_limit: much", "2:15: memory_limit: expected a size such as 4GiB"),
        ("variants: {a/b: {}}", "2:12: variants.a/b: a variant's name becomes a folder"),
        ("learning_rate: 1", "2:1: learning_rate: unknown key (did you mean optimizer.lr?)"),
        ("epoch: 1", '2:1: epoch: unknown key (did you mean "epochs"?)'),
        ("random_state: 1", '2:1: random_state: unknown key (did you mean "seed"?)'),
        ("xyzzy: 1", "2:1: xyzzy: unknown key"),
        ("optimizer: {learn_rate: 1}", '2:13: optimizer.learn_rate: unknown key (did you mean "lr"?)'),
        ("label: {a: 1}", "2:8: label: expected text, found a mapping"),
    ],
)
def test_one_fault(line: str, said: str) -> None:
    assert one(MINIMAL + line).startswith(f"r.yaml:{said}")


def test_nested_and_required() -> None:
    assert one("data: {dev: 3, train: x}") == 'r.yaml:1:8: data.dev: unknown key (did you mean "valid"?)'
    assert one("data: {test: x}") == "r.yaml:1:7: data.train: missing, and it has no default"
    assert one("epochs: 3") == "r.yaml:1:1: data: missing, and it has no default"
    assert one("") == "r.yaml:1:1: data: missing, and it has no default"
    assert one("data: a.csv").startswith(
        'r.yaml:1:7: data: expected a mapping (key: value), found text "a.csv"'
    )
    assert (
        one("data: {train: x, test: x}") == 'r.yaml:1:24: data.test: the same file as train, found text "x"'
    )


def test_no_stays_text_where_text_is_wanted() -> None:
    assert read(MINIMAL + "label: no\ntitle: on").label == "no"


def test_a_whole_number_is_good_for_a_float() -> None:
    assert read(MINIMAL + "optimizer: {lr: 1}").optimizer == SampleAdam(lr=1.0)


def test_sizes_have_units() -> None:
    assert read(MINIMAL + "memory_limit: 4GiB").memory_limit == 4 * 2**30
    assert read(MINIMAL + "memory_limit: 1.5 kB").memory_limit == 1500
    assert read(MINIMAL + "memory_limit: 77").memory_limit == 77
    assert "greater than 0" in one(MINIMAL + "memory_limit: 0GB")


def test_everything_at_once_in_the_order_of_the_file_then_of_the_command_line() -> None:
    text = "batch: x\ndata: {trian: a}\nzzz: 1\nmodel:\n  - dens: 3\n  - dropout: 2\nepochs: 0\n"
    found = faults(text, "dim=0", "optimizer.learning_rate=0.01", "shuffle=no", epochs=-1)
    assert [line.split(": ")[0] for line in found] == [
        "r.yaml:1:8",
        "r.yaml:2:7",
        "r.yaml:2:8",
        "r.yaml:3:1",
        "r.yaml:5:5",
        "r.yaml:6:14",
        "--set",
        "--set",
        "--set",
        "--epochs",
    ]
    assert found[6] == "--set: dim: must be at least 1, found 0"
    assert found[7] == "--set: optimizer.learning_rate: unknown key (did you mean optimizer.lr?)"
    assert found[9] == "--epochs: must be at least 1, found -1"


def test_a_recipe_of_another_command() -> None:
    assert one("epochs: x\ncommand: train-cnn") == (
        "r.yaml:2:10: command: this recipe is for train-cnn, not for train-sample (dlkit train-cnn r.yaml)"
    )
    assert one(MINIMAL + "command: 3").startswith("r.yaml:2:10: command: expected train-sample, found 3")


def test_control_characters_and_long_texts_stay_on_one_short_line() -> None:
    line = one(MINIMAL + 'keep: "' + "長\\n\\u001b[31m" * 100 + '"')
    assert "\n" not in line
    assert "\x1b" not in line
    assert len(line) < 160


# -- variants -----------------------------------------------------------------------------------------
FAMILY = """\
data: {train: a.csv}
model: [{dense: 4}]
optimizer: adam
variants:
  wide: {model.0.dense: 64, data.train: b.csv}
  速い: {optimizer.lr: 0.5, optimizer.beta1: 0}
  other: {optimizer: {name: sgd, lr: 2}}
"""


def test_variants_change_what_they_name() -> None:
    recipe = read(FAMILY)
    wide, fast, other = (variant(recipe, name) for name in recipe.variants)
    assert (wide.model, wide.data.train) == ([SampleDense(units=64)], "b.csv")
    assert fast.optimizer == SampleAdam(lr=0.5, beta1=0.0)
    assert other.optimizer == SampleSgd(lr=2.0)
    assert wide.variants == fast.variants == {}


def test_faults_in_variants_are_placed() -> None:
    text = (
        FAMILY + "  bad: {epochs: 0,\n    lr: 1}\n  worse:\n    model.0.dense: {unit: 1}\n    variants: {}\n"
    )
    assert faults(text) == [
        "r.yaml:8:17: variants.bad: epochs: must be at least 1, found 0",
        "r.yaml:9:5: variants.bad: lr: unknown key (did you mean optimizer.lr?)",
        "r.yaml:12:15: variants.worse: variants: no variant can change it",
        "r.yaml:11:20: variants.worse: model.0.dense.units: missing, and it has no default",
        'r.yaml:11:21: variants.worse: model.0.dense.unit: unknown key (did you mean "units"?)',
    ]


def test_changed_makes_a_validated_copy() -> None:
    recipe = read(MINIMAL)
    assert changed(recipe, {"epochs": 3, "optimizer.lr": 1}).epochs == 3
    assert recipe.epochs == 10
    with pytest.raises(RecipeError, match="epochs: must be at least 1"):
        changed(recipe, {"epochs": 0})


# -- suggestions --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("word", "names", "meant"),
    [
        ("learn_rate", ["epochs", "lr"], "lr"),
        ("learning-rate", ["lr"], "lr"),
        ("es", ["early_stopping"], "early_stopping"),
        ("EPOCHS", ["epochs"], "epochs"),
        ("n_iter", {"epochs": ["n_iter"]}, "epochs"),
        ("bacth", ["batch"], "batch"),
        ("zzz", ["batch"], None),
        ("", ["batch"], None),
    ],
)
def test_did_you_mean(word: str, names: Any, meant: str | None) -> None:
    assert closest(word, names) == meant


# -- properties ---------------------------------------------------------------------------------------
KEYS = [*SampleRecipe.model_fields, "name", "lr", "dense", "units", "train", "x"]
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 3),
        st.floats(),
        st.sampled_from(["adam", "dense", "x", "5"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*SampleRecipe.model_fields, "typo"]), VALUES, max_size=6))
def test_any_data_give_a_recipe_or_a_recipe_error(data: dict) -> None:
    text = "".join(f"{line}\n" for line in block(data))
    document = parse_document(text, "r.yaml")
    try:
        resolve(SampleRecipe, document, [], {})
    except RecipeError as error:
        places = [str(problem.where).split(":") for problem in error.problems]
        assert all(place[0] == "r.yaml" and len(place) == 3 for place in places)
        if not any("variants." in problem.text for problem in error.problems):
            numbers = [(int(line), int(column)) for _, line, column in places]
            assert numbers == sorted(numbers)


@given(st.lists(st.text(st.sampled_from(list("modelptizr.0123=[]{}:, x-")), max_size=20), max_size=3))
def test_any_sets_give_a_recipe_or_a_recipe_error(sets: list[str]) -> None:
    try:
        resolve(SampleRecipe, parse_document(MINIMAL, "r.yaml"), sets, {})
    except RecipeError as error:
        assert all("\n" not in str(problem) for problem in error.problems)


@given(
    st.sampled_from(["optimizer", "model", "data", "early_stopping", "model.0", "second", "weights"]), VALUES
)
def test_sets_below_anything(path: str, value: object) -> None:
    with contextlib.suppress(RecipeError):
        changed(read(MINIMAL), {path: value, f"{path}.x": 1})


class FoldedRecipe(TrainingRecipe):
    """A recipe of rows."""

    data: DataSpec = Field(description="Rows.")


def test_folds_that_cannot_be_are_told_at_their_place() -> None:
    fault = "train_rows and test_rows need {fold} in their names"
    document = parse_document("data: {train: a.csv, train_rows: train.txt}\nfolds: 3\n", "r.yaml")
    with pytest.raises(RecipeError) as caught:
        resolve(FoldedRecipe, document)
    assert str(caught.value) == f"r.yaml:2:8: {fault}"
    with pytest.raises(RecipeError) as caught:
        resolve(FoldedRecipe, None, ["data.train=a.csv", "data.test_rows=t.txt"], {"folds": 2})
    assert str(caught.value) == f"folds: {fault}"
    recipe = resolve(FoldedRecipe, None, ["data.train=a.csv", "data.test_rows='{fold}.txt'"], {"folds": 2})
    one = fold(recipe, 1)
    assert one.folds is None and one.data.fold == FoldSpec(index=1, of=2)
