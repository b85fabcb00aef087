"""The tables that come with dlkit are small, and are what their script makes."""

import importlib.util

import pytest


def test_embedded_tables_are_what_the_script_makes(embedded, tmp_path):
    pytest.importorskip("sklearn")
    spec = importlib.util.spec_from_file_location("make_embedded", embedded / "make_embedded.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    makers = (script.digits, script.diabetes, script.sine, script.golf, script.spam_table)
    for make in (
        *makers,
        script.bars,
        script.books,
        script.completions,
        script.reversed_digits,
        script.dog_trick,
    ):
        make(tmp_path)
    made = sorted(path.name for path in tmp_path.iterdir())
    tables = ["diabetes.csv", "digits.csv", "dog-trick.csv", "golf.csv", "sine.csv", "spam-table.csv"]
    corpora = [
        "completions.txt",
        "docword.bars.txt",
        "reading-histories.tsv",
        "reversed-digits.tsv",
        "vocab.bars.txt",
    ]
    assert made == sorted([*tables, *corpora])
    for name in made:
        assert (tmp_path / name).read_bytes() == (embedded / name).read_bytes()


def test_embedded_tables_are_small(embedded):
    assert all(path.stat().st_size <= 1_000_000 for path in embedded.iterdir())
