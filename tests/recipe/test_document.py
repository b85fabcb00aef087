"""YAML text as plain data with positions; its traps and bombs."""

import io
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlkit.errors import RecipeError
from dlkit.recipe.document import LARGEST_FILE, load_document, parse_document
from dlkit.recipe.placed import DEEPEST, MOST_NODES, Document
from dlkit.recipe.scalars import read_scalar, write_scalar


def problems(text: str | bytes) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        if isinstance(text, str):
            parse_document(text, "r.yaml")
        else:
            load_document(io.BytesIO(text), "r.yaml")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("+3", 3),
        ("012", 12),
        ("0x1F", 31),
        ("0o17", 15),
        ("no", "no"),
        ("Yes", "Yes"),
        ("on", "on"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2024-01-01", "2024-01-01"),
        ("1e", "1e"),
        (".", "."),
        ("-.inf", -math.inf),
        (".5.1", ".5.1"),
        ("0b1", "0b1"),
        ("１２", "１２"),
        ("=", "="),
        ("nan", "nan"),
    ],
)
def test_plain_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    read = read_scalar(text)
    assert read == value
    assert type(read) is type(value)


def test_nan_is_a_number() -> None:
    assert math.isnan(read_scalar(".nan"))


@pytest.mark.parametrize("text", [str(2**64), "-" + "9" * 5000, "1e999", "0x" + "f" * 17, "1." + "0" * 500])
def test_numbers_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="number"):
        read_scalar(text)
    assert problems(f"a: {text}")[0].startswith("r.yaml:1:4: the number")


def test_positions_of_keys_and_values() -> None:
    document = parse_document("a: 1\nb:\n  - x\n  - {日本: 語, c: [2, 3]}\n'd e': \"f\"\n", "r.yaml")
    assert document.data == {"a": 1, "b": ["x", {"日本": "語", "c": [2, 3]}], "d e": "f"}
    assert document.keys[("a",)] == (1, 1)
    assert document.values[("a",)] == (1, 4)
    assert document.values[("b", 0)] == (3, 5)
    assert document.keys[("b", 1, "日本")] == (4, 6)
    assert document.values[("b", 1, "日本")] == (4, 10)
    assert document.values[("b", 1, "c", 1)] == (4, 20)
    assert document.keys[("d e",)] == (5, 1)
    assert document.where(("b", 1, "c", 7)) == "r.yaml:4:16"


def test_bom_and_crlf_do_not_shift_positions() -> None:
    document = load_document(io.BytesIO(b"\xef\xbb\xbfa: 1\r\nb:\r\n  c: x\r\n"), "r.yaml")
    assert document.data == {"a": 1, "b": {"c": "x"}}
    assert document.keys[("a",)] == (1, 1)
    assert document.values[("b", "c")] == (3, 6)


def test_an_alias_is_a_copy_whose_faults_lie_in_the_original() -> None:
    document = parse_document("a: &x {b: 1}\nc: *x\nd: [*x, *x]", "r.yaml")
    assert document.data == {"a": {"b": 1}, "c": {"b": 1}, "d": [{"b": 1}, {"b": 1}]}
    assert document.values[("d", 1, "b")] == document.values[("a", "b")] == (1, 11)
    assert document.data["c"] is not document.data["a"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3", ["r.yaml:3:1: the key a is here twice (first in line 1)"]),
        ("a: !!python/object:os.system x", ["r.yaml:1:4: a tag"]),
        ("a: !x 1\nb: !!int '3'", ["r.yaml:1:4: a tag", "r.yaml:2:4: a tag"]),
        ("b: {<<: {a: 1}}", ["r.yaml:1:5: a merge key"]),
        (
            "1: a\nnull: b",
            ['r.yaml:1:1: a key that is no text: 1 (write "1")', "r.yaml:2:1: a key that is no text"],
        ),
        ("? [a]\n: b", ["r.yaml:1:3: a key that is no text"]),
        ("a:\n\t- b", ["r.yaml:2:1: a tab (indent with spaces)"]),
        ("a: b: c", ["r.yaml:1:5: a colon"]),
        ("a: [1,\n 2", ["r.yaml:2:3: a [ that is never closed"]),
        ("a: 'x", ["r.yaml:1:6: the file ends inside quotes"]),
        ("a: 1\n---\nb: 2", ["r.yaml:2:1: a second document"]),
        ("a: *b", ["r.yaml:1:4: *b names nothing"]),
        ("a: &a [*a]", ["r.yaml:1:8: *a names nothing that is complete"]),
        ('a: "\\UFFFFFFFF"', ["r.yaml:1:7: no valid YAML"]),
        ('a: "\\ud800"', ["r.yaml:1:4: half a surrogate pair"]),
        ("%YAML " + "9" * 5000 + ".1\n---\na: 1", ["r.yaml:1:7: no valid YAML"]),
        ("? " + "k" * 501 + "\n: 1", ["r.yaml:1:3: a key longer than 500"]),
        ("a: 1\nb: \x00", ["r.yaml:2:4: a character that YAML forbids (U+0000)"]),
    ],
)
def test_what_is_refused_is_placed(text: str, said: list[str]) -> None:
    found = problems(text)
    assert len(found) == len(said)
    assert all(line.startswith(start) for line, start in zip(found, said, strict=True)), found


def test_bytes_that_are_no_utf_8_are_placed() -> None:
    assert problems("日本: 1\nb: é".encode() + b"\xff")[0].startswith("r.yaml:2:5: not UTF-8")


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_deep_nesting_stops_early(opening: str) -> None:
    assert "deeper" in problems(opening * 30_000)[0]


def test_aliases_are_no_bomb() -> None:
    lines = ["a0: &a0 [1, 2]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    assert "too many values" in problems("\n".join(lines))[0]


def test_many_values_are_refused() -> None:
    assert "too many values" in problems("a: [" + "1," * (MOST_NODES + 1) + "]")[0]


def test_nesting_up_to_the_limit_is_read() -> None:
    levels = DEEPEST - 1
    assert parse_document("[" * levels + "]" * levels, "r.yaml").data


def test_root_has_to_be_a_mapping() -> None:
    assert problems(b"- a\n") == ["r.yaml:1:1: expected a recipe (key: value), found a list"]
    assert problems(b"\n hello") == ["r.yaml:2:2: expected a recipe (key: value), found a single value"]
    assert load_document(io.BytesIO(b"# nothing\n"), "r.yaml").data == {}


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path, "a\0b.yaml"):
        with pytest.raises(RecipeError, match="cannot read the recipe"):
            load_document(path)
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (LARGEST_FILE + 1))
    with pytest.raises(RecipeError, match="more than 1 MiB"):
        load_document(large)


def test_a_recipe_in_a_japanese_folder(japanese_dir: Path) -> None:
    path = japanese_dir / "レシピ.yaml"
    path.write_text("題: 実験\n", encoding="utf-8")
    document = load_document(path)
    assert document.data == {"題": "実験"}
    assert document.where(("題",)) == f"{path}:1:4"


# -- properties -------------------------------------------------------------------------------------
YAMLISH = st.text(
    st.sampled_from(list("ab:-[]{}&*!|>'\"%@`#,? \n\t\r1.e\\~<=語\x00\ufeff\u2028\U0001f600")), max_size=80
)


def consistent(document: Document) -> None:
    """Every value has a place, and every mapping item's key has one."""

    def walk(data: object, path: tuple) -> None:
        assert path in document.values
        items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
        for key, value in items:
            if isinstance(data, dict):
                assert isinstance(key, str)
                assert (*path, key) in document.keys
            walk(value, (*path, key))

    if document.values:
        walk(document.data, ())


@given(st.one_of(st.binary(max_size=60), YAMLISH.map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_any_bytes_give_data_or_a_recipe_error(content: bytes) -> None:
    try:
        document = load_document(io.BytesIO(content), "r.yaml")
    except RecipeError as error:
        assert all(
            str(problem).startswith("r.yaml") and "\n" not in str(problem) for problem in error.problems
        )
    else:
        assert isinstance(document.data, dict)
        consistent(document)


@given(YAMLISH)
def test_any_text_gives_data_or_a_recipe_error(text: str) -> None:
    try:
        document = parse_document(text, "--set")
    except RecipeError:
        return
    consistent(document)


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**64) + 1, 2**64 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=("Cs",))),
    st.sampled_from(
        ["no", "1e5", "null", "~", "-", "a: b", "a #b", " a", "a ", "|", "0x1", "1_0", "\x85", "\ufeff"]
    ),
)


@given(SCALARS)
def test_a_scalar_written_is_read_back(value: object) -> None:
    for text in (f"k: {write_scalar(value)}\n", f"- {write_scalar(value)}\n", f"[{write_scalar(value)}]"):
        data = parse_document(text, "r.yaml").data
        (read,) = data.values() if isinstance(data, dict) else data
        assert read == value
        assert type(read) is type(value)


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=100))
def test_a_key_written_is_read_back(key: str) -> None:
    document = parse_document(f"{write_scalar(key)}: 1\n", "r.yaml")
    assert document.data == {key: 1}
    assert document.keys[(key,)] == (1, 1)


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["x", "長い名", "q"])), min_size=1, max_size=8))
def test_marks_are_where_the_text_stands(parts: list[tuple[int, str]]) -> None:
    lines: list[str] = []
    for number, (blanks, word) in enumerate(parts):
        lines += [""] * blanks
        lines.append(f"{word}{number}:{' ' * (blanks + 1)}v{number}")
    document = parse_document("\n".join(lines), "r.yaml")
    for (key,), (line, column) in document.keys.items():
        assert lines[line - 1][column - 1 :].startswith(str(key))
        row, start = document.values[(key,)]
        assert lines[row - 1][start - 1 :] == document.data[key]
