import math

import numpy as np
import pytest

from dlkit.errors import DataError
from dlkit.training.metrics import Column, MetricsTable, Timing, better_when_higher, read_csv


def test_numbers_read_back_as_they_were() -> None:
    table = MetricsTable(["train_loss", "valid_accuracy", "never"])
    table.append({"epoch": 1, "step": 10, "train_loss": np.float32(0.1), "valid_accuracy": 1.0})
    table.append({"epoch": 2, "step": 20, "train_loss": 1e-300, "valid_accuracy": math.nan})
    text = table.to_csv()
    assert text == (
        f"epoch,step,train_loss,valid_accuracy\n1,10,{float(np.float32(0.1))!r},1.0\n2,20,1e-300,\n"
    )
    first, second = read_csv(text, "metrics.csv")
    assert first == {"epoch": 1, "step": 10, "train_loss": float(np.float32(0.1)), "valid_accuracy": 1.0}
    assert "valid_accuracy" not in second and isinstance(first["epoch"], int)


def test_an_undocumented_metric_is_a_bug() -> None:
    table = MetricsTable(["train_loss"])
    with pytest.raises(KeyError, match="valid_loss"):
        table.append({"epoch": 1, "step": 1, "valid_loss": 0.5})
    with pytest.raises(TypeError):
        table.append({"epoch": 1, "step": 1, "train_loss": "low"})
    with pytest.raises(ValueError, match="epoch"):
        MetricsTable(["epoch"])


def test_a_short_row_is_located() -> None:
    with pytest.raises(DataError, match=r"^m.csv:3: expected 2 columns, found 1$") as caught:
        read_csv("epoch,step\n1,2\n3\n", "m.csv")
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("name", "higher"),
    [("valid_loss", False), ("valid_accuracy", True), ("test_rmse", False), ("valid_bleu", True),
     ("valid_log_loss", False), ("valid_log_likelihood", True), ("valid_perplexity", False)],
)  # fmt: skip
def test_which_way_is_better(name: str, higher: bool) -> None:
    assert better_when_higher(Column(name, "1", "")) is higher
    assert better_when_higher(Column(name, "1", "", not higher)) is not higher


def test_timing_goes_on_where_the_checkpoint_is() -> None:
    now = [0.0]
    timing = Timing(lambda: now[0])
    for epoch in (1, 2, 3):
        timing.begin_epoch()
        timing.count(100)
        now[0] += 2
        timing.end_steps()
        now[0] += 1
        timing.end_epoch(epoch, 10 * epoch, 1000)
    assert timing.to_csv().splitlines()[1] == "1,10,3.000000,50,1000"
    resumed = Timing()
    resumed.go_on(timing.to_csv(), 2)
    assert resumed.to_csv() == "".join(timing.to_csv().splitlines(True)[:3])
    resumed = Timing()
    resumed.go_on("something else\n1\n", 2)
    assert resumed.rows == []
