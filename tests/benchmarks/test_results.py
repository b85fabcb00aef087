from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.options import Options, Section
from benchmarks.pairs import ContenderFailed
from benchmarks.results import OPENING, bytes_text, replace_section, seconds_text, table, write_section


def test_a_new_section_is_added_and_the_opening_kept() -> None:
    text = replace_section("", "train-mlp", "1.5×")
    assert text == OPENING.strip() + "\n\n## train-mlp\n\n1.5×\n"
    assert replace_section(text, "mf", "8×").endswith("## train-mlp\n\n1.5×\n\n## mf\n\n8×\n")


def test_a_section_is_replaced_and_the_others_stay() -> None:
    text = "# Results\n\nopening\n\n## a\n\nold a\n\n### detail\n\nmore\n\n## b\n\nold b\n\n## c\n\nold c\n"
    assert replace_section(text, "a", "new") == (
        "# Results\n\nopening\n\n## a\n\nnew\n\n## b\n\nold b\n\n## c\n\nold c\n"
    )
    assert replace_section(text, "b", "新しい") == text.replace("old b", "新しい")
    assert replace_section(text, "c", "new") == text.replace("old c", "new")


def test_titles_are_compared_whole() -> None:
    text = replace_section(replace_section("", "train-mlp, cost", "old"), "train-mlp", "new")
    assert "## train-mlp, cost\n\nold\n" in text
    assert "## train-mlp\n\nnew\n" in text


def test_headings_in_fenced_code_are_text() -> None:
    text = "# R\n\n## a\n\n```\n## b\n```\n\n## c\n\nold\n"
    assert replace_section(text, "c", "new") == text.replace("old", "new")
    assert replace_section(text, "b", "new") == text + "\n## b\n\nnew\n"


def test_replacing_twice_changes_nothing() -> None:
    once = replace_section(replace_section("", "a", "x"), "b", "y")
    assert replace_section(once, "a", "x") == once


def test_write_section_leaves_no_second_file(tmp_path: Path) -> None:
    path = tmp_path / "結果.md"
    write_section(path, "a", "x")
    write_section(path, "a", "y")
    assert [file.name for file in tmp_path.iterdir()] == ["結果.md"]
    assert path.read_text(encoding="utf-8").endswith("## a\n\ny\n")


def test_table() -> None:
    assert table(["", "s"], [["a", 1], ["b", 2]]) == "|  | s |\n| --- | ---: |\n| a | 1 |\n| b | 2 |"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.00421, "4.21 ms"),
        (0.0421, "42.1 ms"),
        (0.421, "421 ms"),
        (1.3, "1.30 s"),
        (63, "63.0 s"),
        (413, "413 s"),
        (81.2e-6, "81.2 µs"),
        (0, "0.00 µs"),
    ],
)
def test_seconds_text(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_bytes_text() -> None:
    assert bytes_text(93 * 2**20) == "93 MiB"
    assert bytes_text(2.5 * 2**30) == "2,560 MiB"


# -- the command --------------------------------------------------------------------------------------
def test_a_row_writes_its_section_with_its_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Options] = []

    def measure(options: Options) -> Section:
        seen.append(options)
        return Section("train-mlp, one step", "the body", {"torch": "2.13"})

    monkeypatch.setattr("benchmarks.row_train_mlp.measure", measure)
    results = tmp_path / "RESULTS.md"
    code = command.main(
        ["train-mlp", "--rounds", "3", "--threads", "1", "--peer-python", "p", "--results", str(results)]
    )
    assert code == 0
    assert seen == [Options(rounds=3, threads=1, peer_python="p")]
    text = results.read_text(encoding="utf-8")
    assert "## train-mlp, one step\n\n- date 20" in text
    assert "`python -m benchmarks train-mlp --rounds 3 --threads 1`" in text
    assert "- versions: torch 2.13" in text
    assert text.endswith("\n\nthe body\n")


def test_a_failing_row_keeps_the_rows_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(options: Options) -> Section:
        raise ContenderFailed("PyTorch: exit code 1")

    monkeypatch.setattr("benchmarks.row_train_mlp.measure", lambda options: Section("one", "1", {}))
    monkeypatch.setattr("benchmarks.row_startup.measure", fails)
    results = tmp_path / "RESULTS.md"
    assert command.main(["train-mlp", "startup", "--results", str(results)]) == 1
    assert results.read_text(encoding="utf-8").count("\n## ") == 1
    assert "error: PyTorch: exit code 1" in capsys.readouterr().err
