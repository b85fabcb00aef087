"""The tables that come with dlkit are small, and are what their script makes."""

import importlib.util

import pytest


def test_embedded_tables_are_what_the_script_makes(embedded, tmp_path):
    pytest.importorskip("sklearn")
    spec = importlib.util.spec_from_file_location("make_embedded", embedded / "make_embedded.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for make in (script.digits, script.diabetes, script.sine, script.golf, script.spam_table):
        make(tmp_path)
    made = sorted(path.name for path in tmp_path.iterdir())
    assert made == ["diabetes.csv", "digits.csv", "golf.csv", "sine.csv", "spam-table.csv"]
    for name in made:
        assert (tmp_path / name).read_bytes() == (embedded / name).read_bytes()


def test_embedded_tables_are_small(embedded):
    assert all(path.stat().st_size <= 1_000_000 for path in embedded.iterdir())
