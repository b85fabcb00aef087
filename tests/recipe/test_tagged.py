"""Families of specs chosen by name: every spelling, places of errors, children."""

from typing import Literal

import pytest
from pydantic import Field

from dlkit.recipe.schema import Spec
from dlkit.recipe.tagged import Keyed, Named
from tests.recipe.sample import (
    LAYERS,
    MINIMAL,
    MORE_LAYERS,
    SampleAdam,
    SampleDense,
    SampleDropout,
    SampleNorm,
    SamplePool,
    SampleRepeat,
    SampleSgd,
    faults,
    read,
)


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("dropout", SampleDropout()),
        ("{dropout: }", SampleDropout()),
        ("{dropout: 0.25}", SampleDropout(p=0.25)),
        ("{dropout: {p: 0}}", SampleDropout(p=0.0)),
        ("{dense: {units: 3, activation: relu}}", SampleDense(units=3, activation="relu")),
        ("batch_norm", SampleNorm()),
        ("{batch_norm: {}}", SampleNorm()),
        (
            "{repeat: {times: 2, layers: [{dense: 4}, batch_norm]}}",
            SampleRepeat(times=2, layers=[SampleDense(units=4), SampleNorm()]),
        ),
    ],
)
def test_spellings_of_a_layer(text: str, spec: Spec) -> None:
    assert read(MINIMAL + f"model: [{text}]").model == [spec]


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("adam", SampleAdam()),
        ("{lr: 1}", SampleAdam(lr=1.0)),
        ("{name: momentum}", SampleSgd(name="momentum")),
        ("{name: sgd, lr: 2e-1}", SampleSgd(lr=0.2)),
    ],
)
def test_spellings_of_an_optimizer(text: str, spec: Spec) -> None:
    assert read(MINIMAL + f"optimizer: {text}").optimizer == spec
    assert read(MINIMAL + f"second: {text}").second == spec


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("densee: 3", 'r.yaml:3:5: model.0: unknown sample layer "densee" (did you mean "dense"?)'),
        ("linear: 3", 'r.yaml:3:5: model.0: unknown sample layer "linear" (did you mean "dense"?)'),
        ("dense: x", 'r.yaml:3:12: model.0.dense: expected a whole number, found text "x"'),
        ("dense: {unit: 3}", 'r.yaml:3:13: model.0.dense.unit: unknown key (did you mean "units"?)'),
        ("dense: {units: 0}", "r.yaml:3:20: model.0.dense.units: must be greater than 0, found 0"),
        ("dropout: 1.5", "r.yaml:3:14: model.0.dropout: must be less than 1, found 1.5"),
        ("dropout: 0.5\n    batch_norm:", "r.yaml:4:5: model.0.batch_norm: a second key beside dropout"),
        ("[dense]", "r.yaml:3:5: model.0: expected a sample layer: a name, or a mapping"),
        ("repeat: {times: 1, layers: []}", "r.yaml:3:32: model.0.repeat.layers: expected at least 1"),
        ("repeat: {times: 1, layers: [{pool: 2}]}", "r.yaml:3:34: model.0.repeat.layers.0: unknown sample"),
    ],
)
def test_faults_of_a_layer_are_placed(item: str, said: str) -> None:
    assert any(line.startswith(said) for line in faults(f"{MINIMAL}model:\n  - {item}\n")), faults(
        f"{MINIMAL}model:\n  - {item}\n"
    )


def test_faults_of_an_optimizer_are_placed_without_branch_names() -> None:
    text = MINIMAL + "optimizer: {name: admm}\nsecond: {lr: -1, betta1: 0, name: adam}\n"
    assert faults(text) == [
        'r.yaml:2:19: optimizer.name: unknown sample optimizer "admm" (did you mean "adam"?)',
        "r.yaml:3:14: second.lr: must be greater than 0, found -1",
        'r.yaml:3:18: second.betta1: unknown key (did you mean "beta1"?)',
    ]


def test_a_child_family_reads_its_own_kinds_inside_the_parents_specs() -> None:
    text = MINIMAL + "image: [pool, {repeat: {times: 2, layers: [{pool: 3}, {dense: 1}]}}]\n"
    image = read(text).image
    assert image[0] == SamplePool()
    assert image[1] == SampleRepeat.model_construct(
        times=2, layers=[SamplePool(size=3), SampleDense(units=1)]
    )
    assert "unknown sample layer" in faults(MINIMAL + "model: [pool]")[0]


def test_ready_specs_are_taken_as_they_are() -> None:
    assert SampleRepeat(times=1, layers=[SampleNorm()]).layers == [SampleNorm()]
    with pytest.raises(ValueError, match="a sample layer"):
        SampleRepeat(times=1, layers=[SampleAdam()])


def test_kind_of_names_the_kind() -> None:
    assert LAYERS.kind_of(SampleNorm()) == "batch_norm"
    assert MORE_LAYERS.kind_of(SamplePool()) == "pool"
    with pytest.raises(KeyError):
        LAYERS.kind_of(SamplePool())


def test_a_name_is_taken_once() -> None:
    family = Keyed("once")
    family.join("a", SampleNorm)
    with pytest.raises(ValueError, match="there already"):
        family.join("a", SampleDropout)


def test_a_named_family_without_default_needs_the_name() -> None:
    family = Named("plain")

    @family.add()
    class OnlySpec(Spec):
        name: Literal["only"] = Field("only", description="The one.")

    with pytest.raises(ValueError, match="name"):
        family.read({})
    with pytest.raises(TypeError, match="Literal"):

        @family.add()
        class LooseSpec(Spec):
            name: str = Field(description="No Literal.")
