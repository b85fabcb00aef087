import csv
import sys
from pathlib import Path

import pytest

from benchmarks import sweep, whole_run
from benchmarks.mlp import Sizes, arguments, parser, product_flop
from benchmarks.options import Options
from benchmarks.pairs import Run
from benchmarks.row_cost import SWEEP


def test_work_of_a_step_is_counted_by_hand() -> None:
    sizes = Sizes(batch=2, width=3, inputs=5, classes=4)
    # forward 5·3 + 3·3 + 3·4, the same for the weights, and 3·3 + 3·4 for the inputs of the upper layers
    assert sizes.flop == 2 * 2 * (2 * (15 + 9 + 12) + 9 + 12)
    assert sizes.products[:3] == ["2x5x3", "5x2x3", "2x3x3"]
    assert len(sizes.products) == 8
    assert product_flop("2x5x3") == 60


def test_the_row_is_the_network_of_the_table() -> None:
    assert Sizes().layers == (784, 512, 512, 10)
    assert Sizes().batch == 128


def test_arguments_are_what_the_parser_reads() -> None:
    asked = parser(None).parse_args(list(arguments(Sizes(batch=7, width=9), 3)))
    assert (asked.batch, asked.width, asked.threads) == (7, 9, 3)


def test_the_job_is_a_valid_recipe(tmp_path: Path, run_dlkit) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "仕事 1: #"
    folder.mkdir()
    recipe = whole_run.write_job(folder, rows=4, epochs=1, threads=2)
    assert (folder / "job.npz").stat().st_size > 4 * 784
    code, _, stderr = run_dlkit("recipe", "check", recipe)
    assert code == 0, stderr


def test_contenders_use_the_interpreter_of_their_side() -> None:
    options = Options(threads=2, peer_python="elsewhere/python")
    ours, peer = options.ours("a", "m", "x"), options.peer("b", "m", "x")
    assert ours.command == [sys.executable, "-m", "m", "x"]
    assert peer.command == ["elsewhere/python", "-m", "m", "x"]
    assert ours.environment == peer.environment
    assert ours.environment["OMP_NUM_THREADS"] == "2"


def point(varied: str, sizes: Sizes) -> dict[str, object]:
    rounds = [[Run("dlkit", 1, 1, {"seconds": 0.002}), Run("PyTorch", 1, 1, {"seconds": 0.003})]]
    return sweep.point_row(SWEEP, varied, sizes, rounds, peak=100.0)


def test_cost_points_as_csv(tmp_path: Path) -> None:
    path = tmp_path / "cost.csv"
    sweep.write_csv(SWEEP, path, [point("batch", Sizes(batch=1))])
    (line,) = csv.DictReader(path.open(encoding="utf-8"))
    assert (line["varied"], line["batch"], line["width"]) == ("batch", "1", "512")
    assert float(line["ratio"]) == pytest.approx(1.5)
    assert float(line["sgemm_seconds"]) == pytest.approx(Sizes(batch=1).flop / 100e9, rel=1e-5)


def test_cost_points_as_picture(tmp_path: Path) -> None:
    path = tmp_path / "cost.png"
    sweep.draw(
        SWEEP,
        path,
        [
            *(point("batch", Sizes(batch=batch)) for batch in (1, 16)),
            *(point("width", Sizes(width=width)) for width in (64, 256)),
        ],
    )
    assert path.read_bytes().startswith(b"\x89PNG")
