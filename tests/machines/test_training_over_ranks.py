"""The driver and train-mlp on several ranks (threads) against one process."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from thread_ranks import ThreadComm, on_ranks

from dlkit.algorithms.mlp import TrainMLP
from dlkit.errors import Interrupted, UserError
from dlkit.training.checkpoint import load
from dlkit.training.driver import run
from dlkit.training.loop import Diverged
from dlkit.training.options import RunOptions

SGD = {"name": "sgd", "lr": 0.1, "clip": 0.5, "weight_decay": 0.01}


def recipe(embedded: Path, **keys: Any) -> Any:
    given = {
        "data": {"train": str(embedded / "digits.csv"), "valid": 0.1, "test": 0.2, "train_rows": None},
        "model": [{"dense": 12}, "batch_norm", {"dense": 8}],
        "optimizer": SGD,
        "epochs": 2,
        "batch": 200,
        "dtype": "float64",
        "shards": 1,
    }
    return TrainMLP.Recipe.model_validate(given | keys)


def train(made: Any, directory: Path, comm: Any = None, kind: Any = TrainMLP, **options: Any) -> None:
    run(kind, made, RunOptions(directory, threads=1, quiet=True, **options), comm=comm)


def weights(directory: Path) -> np.ndarray:
    found: list[np.ndarray] = []

    def walk(tree: dict[str, Any]) -> None:
        for value in tree.values():
            walk(value) if isinstance(value, dict) else found.append(np.ravel(value))

    walk(load(directory / "checkpoint.h5").tree["state"]["model"])
    return np.concatenate(found)


def equal_runs(a: Path, b: Path) -> None:
    np.testing.assert_allclose(weights(a), weights(b), rtol=1e-9, atol=1e-12)
    first, second = (json.loads((one / "summary.json").read_text(encoding="utf-8")) for one in (a, b))
    assert first == pytest.approx(second, rel=1e-9)


def all_well(outcomes: list[Any]) -> None:
    assert outcomes == [None] * len(outcomes)


@pytest.mark.parametrize(
    ("ranks", "keys"),
    [
        (2, {}),
        (3, {"shards": 2, "model": [{"dense": 8}, "layer_norm"]}),
        # A batch with fewer rows than ranks; an online step on three ranks is almost all waiting.
        (3, {"batch": 2, "epochs": 1, "model": [{"dense": 4}], "optimizer": {"name": "adam"}}),
    ],
)
def test_ranks_train_what_one_process_trains(
    embedded: Path, tmp_path: Path, ranks: int, keys: dict[str, Any]
) -> None:
    made = recipe(embedded, **keys)
    train(made, tmp_path / "one")
    all_well(on_ranks(ranks, lambda comm: train(made, tmp_path / "several", comm)))
    equal_runs(tmp_path / "one", tmp_path / "several")


def test_the_same_ranks_give_the_same_bytes(embedded: Path, tmp_path: Path) -> None:
    made = recipe(embedded, model=[{"dense": 8}, {"dropout": 0.3}], optimizer={"name": "adam"})
    for name in ("a", "b"):
        all_well(on_ranks(2, lambda comm, name=name: train(made, tmp_path / name, comm)))
    for file in ("metrics.csv", "checkpoint.h5", "best.h5", "summary.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_one_message_beside_the_gradient_a_step(embedded: Path, tmp_path: Path) -> None:
    def sent(epochs: int) -> int:
        def act(comm: ThreadComm) -> int:
            made = recipe(embedded, epochs=epochs, model=[{"dense": 4}], data={
                "train": str(embedded / "digits.csv")})  # fmt: skip
            train(made, tmp_path / str(epochs), comm)
            return comm.messages

        return on_ranks(2, act)[0]

    steps = -(-1797 // 200)
    assert sent(3) - sent(1) == 2 * 2 * steps


def test_a_network_with_sampled_figures_and_a_regression(embedded: Path, tmp_path: Path) -> None:
    made = recipe(
        embedded, data={"train": str(embedded / "diabetes.csv"), "test": 0.2}, mc_samples=5, epochs=1,
        model=[{"dense": 8}, {"dropout": 0.2}], batch="full", optimizer={"name": "sgd", "lr": 1e-9},
    )  # fmt: skip
    train(made, tmp_path / "one")
    all_well(on_ranks(3, lambda comm: train(made, tmp_path / "several", comm)))
    figures = [json.loads((tmp_path / n / "summary.json").read_text()) for n in ("one", "several")]
    for name in figures[0]:
        if name.startswith("test_mc"):  # weights that hardly moved, and the same dropout draws
            assert figures[0][name] == pytest.approx(figures[1][name], rel=1e-6)
    assert any(name.startswith("test_mc") for name in figures[0])


# -- stopping and going on ---------------------------------------------------------------------------
class Signalled(TrainMLP):
    """Its rank 1 receives SIGTERM while step 3 of epoch 1 is under way."""

    def train_epoch(self, epoch: int, skip: int = 0) -> Any:
        for progress in super().train_epoch(epoch, skip):
            if self.context.comm.rank == 1 and progress.step >= 3:
                self.context.comm.heed = lambda signal, heed=self.context.comm.heed: heed(15)  # type: ignore[method-assign]
            yield progress


def test_stopped_on_two_ranks_and_resumed_on_three_and_on_one(embedded: Path, tmp_path: Path) -> None:
    made = recipe(embedded)
    train(made, tmp_path / "whole")
    for name, ranks in (("three", 3), ("one", 1)):
        stopped = on_ranks(2, lambda comm, name=name: train(made, tmp_path / name, comm, Signalled))
        assert [type(one) for one in stopped] == [Interrupted] * 2
        assert [one.signum for one in stopped] == [15, 15]
        assert load(tmp_path / name / "checkpoint.h5").tree["position"] == {"epoch": 0, "step": 4, "steps": 4}
        all_well(
            on_ranks(ranks, lambda comm, name=name: train(made, tmp_path / name, comm, resume=True))
            if ranks > 1 else [train(made, tmp_path / name, resume=True)]
        )  # fmt: skip
        equal_runs(tmp_path / "whole", tmp_path / name)


class Poisoned(TrainMLP):
    """NaN reaches rank 1 alone, in step 2."""

    def _learn(self, table: Any, batch: Any, n: int, position: tuple[int, int]) -> Any:
        if self.context.comm.rank == 1 and position == (1, 2):
            table.scale = table.scale * np.nan
        return super()._learn(table, batch, n, position)


def test_not_a_number_on_one_rank_is_the_same_error_on_all(embedded: Path, tmp_path: Path) -> None:
    made = recipe(embedded, data={"train": str(embedded / "digits.csv"), "scale": "range"})
    outcomes = on_ranks(3, lambda comm: train(made, tmp_path / "a", comm, Poisoned))
    assert [type(one) for one in outcomes] == [Diverged] * 3
    assert {str(one) for one in outcomes} == {str(outcomes[0])}
    assert "epoch 1, step 2 (first not finite: input," in str(outcomes[0])


def test_folds_over_ranks(embedded: Path, tmp_path: Path) -> None:
    made = recipe(embedded, epochs=1, data={"train": str(embedded / "digits.csv")}, folds=2)
    train(made, tmp_path / "one")
    all_well(on_ranks(2, lambda comm: train(made, tmp_path / "two", comm)))
    for fold in ("fold-1", "fold-2"):
        equal_runs(tmp_path / "one" / fold, tmp_path / "two" / fold)
    assert (tmp_path / "two" / "compare.csv").is_file()


def test_a_directory_that_is_not_empty_is_refused_on_all(embedded: Path, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine", encoding="utf-8")
    outcomes = on_ranks(2, lambda comm: train(recipe(embedded), tmp_path, comm))
    assert [isinstance(one, UserError) and "not empty" in str(one) for one in outcomes] == [True, True]


class OtherFile(TrainMLP):
    """Rank 1 finds another file under the same name."""

    def inputs(self) -> list[Path]:
        return [self.data.files[0].with_name("golf.csv")] if self.context.comm.rank else super().inputs()


def test_ranks_must_read_the_same_bytes(embedded: Path, tmp_path: Path) -> None:
    outcomes = on_ranks(2, lambda comm: train(recipe(embedded), tmp_path / "a", comm, OtherFile))
    assert all("digits.csv differs between the machines of rank 0 and rank 1" in str(o) for o in outcomes)
    assert not (tmp_path / "a").exists()
