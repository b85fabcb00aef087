"""The model of scaling: its limits are known."""

import pytest

from benchmarks.scaling import (
    BEGIN,
    END,
    Constants,
    Network,
    fit_line,
    page,
    put_between,
    step_seconds,
    sum_seconds,
)

C = Constants(step=1e-3, row=1e-5, small=1e-5, add=1e-10, size=1_000_000)
FREE = Network("free", 0.0, float("inf"))
WIRE = Network("wire", 1e-5, 1e9)


def test_one_rank_exchanges_nothing() -> None:
    assert step_seconds(C, WIRE, 1, 100, in_order=True) == pytest.approx(1e-3 + 100e-5)


def test_without_a_network_only_the_rows_shrink() -> None:
    assert step_seconds(C, FREE, 4, 400, in_order=True) == pytest.approx(1e-3 + 100e-5 + 1e-5 + 1e-4)


def test_the_bytes_approach_twice_the_gradient_and_the_latency_differs() -> None:
    wire_only = Constants(0, 0, 0, 0, C.size)
    in_order, any_order = (sum_seconds(wire_only, WIRE, 1024, in_order=o) for o in (True, False))
    assert in_order == pytest.approx(2e-3 * 1023 / 1024 + 1033e-5)
    assert any_order == pytest.approx(2e-3 * 1023 / 1024 + 20e-5)


def test_a_line_is_found_again() -> None:
    assert fit_line({n: 3e-3 + 2e-5 * n for n in (1, 10, 100)}) == pytest.approx((3e-3, 2e-5))


def test_the_page_takes_its_place() -> None:
    measured = {"alone": {8: 1e-3, 16: 2e-3}, "together": {128: 1e-2}, "parameters": 1000,
                "in_order": {1: 1e-5, 100_000: 1e-3, 200_000: 2e-3}, "added": {2: 1e-6},
                "any_order": {1: 1e-5, 100_000: 1e-3, 200_000: 2e-3}}  # fmt: skip
    text = put_between(f"# x\n{BEGIN}\nold\n{END}\nend\n", page(measured, 0.3))
    assert text.startswith("# x\n") and text.endswith("\nend\n") and "old" not in text
    assert "| 1,000 |" in text and put_between(text, "z").count(BEGIN) == 1
