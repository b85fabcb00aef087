"""Spoilt recipes through `recipe check`, `--print-config` and `--dry-run`.

Garbage is a text that is no YAML mapping for PyYAML's own loader, or that the published JSON schema, judged
by the jsonschema package, refuses: it must end with code 2 and every problem at its file:line:column. What is
accepted must be a recipe that, printed and read again, is the same recipe.
"""

import re
from functools import cache
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dlkit.algorithms.mlp import MLPRecipe
from dlkit.cli import cli
from dlkit.nn.layer_list import LAYERS
from dlkit.nn.optimizers import OPTIMIZERS
from dlkit.recipe.document import load_document
from dlkit.recipe.json_schema import json_schema
from tests.fuzz.mutations import NUMBERS, YAML, spoilt_bytes, spoilt_text, spoilt_tree
from tests.fuzz.program import Ended, run

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = jsonschema.Draft202012Validator(json_schema(MLPRecipe))
FILES = {
    "mnist/train": "digits.csv",
    "mnist/test": "digits.csv",
    "../data/digits.csv": "digits.csv",
    "../data/sine.csv": "sine.csv",
}
SMALL = FILES | {
    "times: 29": "times: 3",
    "times: 21": "times: 2",
    "valid: 5000": "valid: 5",
    "512": "16",
    "folds: 20": "folds: 3",
}
PUBLISHED = [path.read_text("utf-8") for path in sorted((ROOT / "recipes").glob("*.yaml"))]
TEXTS = [
    re.sub("|".join(map(re.escape, SMALL)), lambda match: SMALL[match[0]], text)
    for text in PUBLISHED
    if re.search(r"^command: train-mlp\b", text, re.MULTILINE)
]
TREES = [yaml.safe_load(text) for text in TEXTS]
KEYS = [
    *MLPRecipe.model_fields,
    *LAYERS.kinds,
    *OPTIMIZERS.kinds,
    "name",
    "lr",
    "train",
    "label",
    "units",
    "p",
    "x.y",
]
WORDS = [
    *NUMBERS,
    *YAML,
    *KEYS,
    "schedule",
    "cosine",
    "digits.csv",
    "full",
    "auto",
    "gpu",
    "pca",
    "regression",
]
VALUES = st.one_of(
    st.sampled_from(
        [
            None,
            True,
            False,
            0,
            1,
            2,
            3,
            -1,
            10**12,
            2**63,
            0.5,
            1.0,
            1e-3,
            1e300,
            -0.5,
            "",
            "x",
            "sgd",
            "relu",
            "full",
            [],
            {},
        ]
    ),
    st.sampled_from(
        ["{fold}", "日本", "label", "regression", "pca", "standard", "he_normal", "cosine", "gpu:7", "none"]
    ),
    st.sampled_from([[1, 2], [[]], {"name": "adam"}, {"a": {"b": [1]}}, [{"dense": 3}], {"init": "zeros"}]),
    st.integers(-5, 50),
    st.floats(0, 2, width=16),
    st.text(max_size=4),
    st.builds(
        lambda n: [{"repeat": {"times": n, "layers": [{"dense": 2}]}}],
        st.sampled_from([0, 2, 30, 10**4, 10**5]),
    ),
)


def dumped(tree: object) -> bytes:
    return yaml.safe_dump(tree, allow_unicode=True, sort_keys=False).encode("utf-8", "surrogatepass")


RECIPES = st.one_of(
    spoilt_text(TEXTS, WORDS).map(lambda text: text.encode("utf-8", "surrogatepass")),
    spoilt_tree(TREES, VALUES, KEYS).map(dumped),
    st.sampled_from(TEXTS).flatmap(lambda text: spoilt_bytes(text.encode())),
)


OF_ANY_COMMAND = st.one_of(
    spoilt_text(PUBLISHED, WORDS).map(lambda text: text.encode("utf-8", "surrogatepass")),
    spoilt_tree([yaml.safe_load(text) for text in PUBLISHED], VALUES, KEYS).map(dumped),
)


@cache
def validator(command: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json_schema(cli.algorithm(command).Recipe))


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a recipe is written, with small data beside it."""
    folder = tmp_path_factory.mktemp("recipes")
    for name, rows in (("digits.csv", 120), ("sine.csv", 30)):
        lines = (ROOT / "data" / name).read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / name).write_text("".join(lines[: rows + 1]), encoding="utf-8")
    for name in {name for text in TEXTS for name in re.findall(r"uci/[\w-]+/data.txt", text)}:
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(
            "".join(f"{i} {i % 7} {i * i % 11}\n" for i in range(30)), encoding="utf-8"
        )
        for fold in range(3):
            rows = range(fold, 30, 3)
            (folder / name).with_name(f"index_test_{fold}.txt").write_text("\n".join(map(str, rows)))
            rest = [str(row) for row in range(30) if row not in rows]
            (folder / name).with_name(f"index_train_{fold}.txt").write_text("\n".join(rest))
    return folder / "レシピ.yaml"


def is_garbage(data: bytes, path: Path) -> bool:
    """By the parser and validator of others."""
    try:
        if not isinstance(yaml.load(data, Loader=yaml.BaseLoader), dict):
            return True
    except (yaml.YAMLError, UnicodeDecodeError):
        return True
    return not SCHEMA.is_valid({"command": "train-mlp", **load_document(str(path)).data})


def placed(ended: Ended, path: Path, data: bytes) -> None:
    """Every problem of a recipe has its place, and the place exists."""
    lines = len(re.split(b"\r\n|\r|\n", data)) + 1
    for error in ended.errors:
        match = re.match(r"(\d+):(\d+): .", error.removeprefix(f"error: {path}:"))
        assert match and 1 <= int(match[1]) <= lines and int(match[2]) >= 1, ended


@given(RECIPES)
def test_a_spoilt_recipe_is_refused_in_place_or_means_something(recipe: Path, data: bytes) -> None:
    recipe.write_bytes(data)
    checked = run("recipe", "check", "--command", "train-mlp", recipe)
    tried = run("train-mlp", recipe, "--dry-run", "-q")
    if checked.code:
        assert checked.code == 2 and tried.code == 2 and not checked.stdout, (checked, tried)
        placed(checked, recipe, data)
        assert tried.errors
        return
    assert not is_garbage(data, recipe), checked
    printed = run("train-mlp", recipe, "--print-config")
    again = recipe.with_name("again.yaml")
    again.write_text(printed.stdout, encoding="utf-8")
    assert run("train-mlp", again, "--print-config") == printed
    assert tried.code == 1 or "parameters" in tried.stdout, tried


@given(OF_ANY_COMMAND)
def test_a_spoilt_recipe_of_any_command_is_refused_in_place_or_fits_its_schema(
    recipe: Path, data: bytes
) -> None:
    recipe.write_bytes(data)
    checked = run("recipe", "check", recipe)
    if checked.code:
        assert checked.code == 2 and not checked.stdout, checked
        placed(checked, recipe, data)
        return
    found = load_document(str(recipe)).data
    assert validator(found["command"]).is_valid(found), checked
    printed = run(found["command"], recipe, "--print-config")
    again = recipe.with_name("again.yaml")
    again.write_text(printed.stdout, encoding="utf-8")
    assert run(found["command"], again, "--print-config") == printed


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_spoilt_was_good(recipe: Path, text: str) -> None:
    recipe.write_text(text, encoding="utf-8")
    assert run("recipe", "check", recipe).code == 0
    assert run("train-mlp", recipe, "--dry-run", "-q").code == 0
    assert not is_garbage(text.encode(), recipe)
