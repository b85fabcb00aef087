"""JSON schema, flags and what every shipped recipe class owes its users."""

import importlib
import json
from collections.abc import Iterator
from typing import Any, Literal

import click
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from pydantic import Field

from dlkit.cli import COMMANDS
from dlkit.recipe.document import parse_document
from dlkit.recipe.flags import FieldType, RecipeOption, flag_fields, flags_of
from dlkit.recipe.json_schema import json_schema
from dlkit.recipe.schema import Spec, TrainingRecipe
from dlkit.recipe.shape import Shape, field_shape, shape_of
from tests.recipe.sample import MINIMAL, SampleRecipe, faults

TRAINING = [name for name, entry in COMMANDS.items() if entry.section == "Train"]


# -- JSON schema ----------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json_schema(SampleRecipe)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "model: [dropout, batch_norm, {batch_norm: }, {dropout: 0.5}]",
        "model: [{dense: 3}, {dense: {units: 3, activation: relu}}]",
        "model: [{repeat: {times: 2, layers: [{repeat: {times: 1, layers: [dropout]}}]}}]",
        "image: [pool, {repeat: {times: 2, layers: [{pool: 3}, {dense: 1}]}}]",
        "optimizer: sgd",
        "optimizer: {name: momentum, lr: 1}",
        "optimizer: {beta1: 0.5}",
        "second: adam",
        "second: null",
        "early_stopping: 5",
        "early_stopping: {patience: 5, metric: valid_loss}",
        "batch: full",
        "memory_limit: 4GiB",
        "title: no",
        "variants: {a: {optimizer.lr: 1}}",
        "device: gpu:1",
    ],
)
def test_what_dlkit_reads_is_valid_by_the_schema(line: str, validator: Draft202012Validator) -> None:
    text = MINIMAL + line
    assert faults(text) == []
    assert [error.message for error in validator.iter_errors(parse_document(text, "r.yaml").data)] == []


@pytest.mark.parametrize(
    "line",
    [
        "model: [dense]",
        "model: [{dense: x}]",
        "model: [{dense: 1, dropout: 0.5}]",
        "model: [pool]",
        "model: [{repeat: {times: 2, layers: [pool]}}]",
        "optimizer: sdg",
        "optimizer: {name: sgd, beta1: 0.5}",
        "optimizer: {lr: 0}",
        "second: {name: x}",
        "epochs: 0",
        "early_stopping: often",
        "batch: half",
        "shuffle: no",
        "learning_rate: 3",
        "device: tpu",
    ],
)
def test_what_dlkit_refuses_is_invalid_by_the_schema(line: str, validator: Draft202012Validator) -> None:
    text = MINIMAL + line
    assert faults(text) != []
    assert not validator.is_valid(parse_document(text, "r.yaml").data)


def test_the_schema_is_for_editors() -> None:
    schema = json_schema(SampleRecipe)
    assert schema["$schema"].endswith("2020-12/schema")
    assert schema["properties"]["epochs"]["description"] == "Passes over the training data."
    assert schema["properties"]["title"]["default"] == "a title"
    text = json.dumps(schema)
    assert not any(f'"{word}"' in text for word in ("aka", "flag", "x-family", "x-shorthand"))


# -- flags --------------------------------------------------------------------------------------------
def invoke(*arguments: str) -> tuple[dict[str, Any], str]:
    got: dict[str, Any] = {}
    command = click.Command(
        "c", params=[*flags_of(SampleRecipe)], callback=lambda **values: got.update(values)
    )
    result = CliRunner().invoke(command, arguments)
    return {name: value for name, value in got.items() if value is not None}, result.output


def test_flags_are_made_from_fields() -> None:
    flags = {flag.name: flag for flag in flag_fields(SampleRecipe)}
    assert flags["--lr"].path == "optimizer.lr"
    assert flags["--lr"].default == 0.1  # that of the recipe's own default optimizer
    assert flags["--dim"].default == 100
    assert not flags["--dim"].shared
    assert flags["--on-bad-row"].shared
    assert not {"--command", "--device", "--variants", "--data", "--model", "--weights", "--beta1"} & set(
        flags
    )


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        (["--dim", "7"], {"dim": 7}),
        (["--lr", "1e-3"], {"optimizer__lr": 1e-3}),
        (["--lr", "1"], {"optimizer__lr": 1}),
        (["--batch", "full"], {"batch": "full"}),
        (["--batch", "8"], {"batch": 8}),
        (["--no-shuffle"], {"shuffle": False}),
        (["--shuffle"], {"shuffle": True}),
        (["--keep", "last"], {"keep": "last"}),
        (["--title", "12"], {"title": "12"}),
        (["--title", "null"], {"title": "null"}),
        (["--early-stopping", "3"], {"early_stopping": 3}),
        (["--memory-limit", "4GiB"], {"memory_limit": "4GiB"}),
        ([], {}),
    ],
)
def test_flag_values_have_the_fields_type(arguments: list[str], values: dict[str, Any]) -> None:
    assert invoke(*arguments)[0] == values


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--dim", "twelve"], 'expected a whole number, found text "twelve"'),
        (["--dim", "1.5"], "expected a whole number, found 1.5"),
        (["--dim", "9" * 50], "does not fit into 64 bits"),
        (["--lr", "fast"], 'expected a number, found text "fast"'),
        (["--batch", "ful"], 'expected a whole number or full, found text "ful" (did you mean "full"?)'),
        (["--keep", "bset"], 'expected best or last, found text "bset" (did you mean "best"?)'),
    ],
)
def test_bad_flag_values(arguments: list[str], said: str) -> None:
    values, output = invoke(*arguments)
    assert values == {}
    assert said in " ".join(output.split())


def test_flags_complete_and_describe_themselves() -> None:
    (batch,) = (option for option in flags_of(SampleRecipe) if option.name == "batch")
    assert isinstance(batch, RecipeOption)
    ctx = click.Context(click.Command("c"))
    assert [item.value for item in batch.type.shell_complete(ctx, batch, "f")] == ["full"]
    assert batch.get_help_record(ctx) == ("--batch N|full", "Rows of a step.  [32]")


def test_two_fields_cannot_have_one_flag() -> None:
    class Clash(SampleRecipe):
        lr: float = Field(1.0, description="Also a rate.")

    with pytest.raises(ValueError, match=r"--lr is the flag of"):
        flag_fields(Clash)


def test_a_field_can_do_without_flag_and_shapes_see_through_unions() -> None:
    class Quiet(TrainingRecipe):
        inner: int = Field(1, description="Set in recipes only.", json_schema_extra={"flag": False})

    assert "--inner" not in {flag.name for flag in flag_fields(Quiet)}
    assert shape_of(int | Literal["auto"] | None) == Shape(scalars=(int,), choices=("auto",), nullable=True)
    assert FieldType(shape_of(int | None)).convert("null", None, None) is None


# -- every command --------------------------------------------------------------------------------------
def specs_under(spec: type[Spec], seen: set[type[Spec]]) -> Iterator[type[Spec]]:
    if spec in seen:
        return
    seen.add(spec)
    yield spec
    for field in spec.model_fields.values():
        shape = field_shape(field)
        inner = shape_of(shape.item) if shape.item is not None else shape
        for one in (*inner.specs, *(cls for family in inner.families for cls in family.kinds.values())):
            yield from specs_under(one, seen)


@pytest.mark.parametrize("name", TRAINING)
def test_every_field_of_every_command_is_described_and_can_be_flagged(name: str) -> None:
    Recipe = importlib.import_module(COMMANDS[name].module).ALGORITHM.Recipe
    for spec in specs_under(Recipe, set()):
        for key, field in spec.model_fields.items():
            assert field.description, f"{spec.__name__}.{key}"
            assert not field.annotation or "tuple" not in str(field.annotation), f"{spec.__name__}.{key}"
    assert Recipe.model_fields["command"].default == name
    assert flag_fields(Recipe)
    Draft202012Validator.check_schema(json_schema(Recipe))
