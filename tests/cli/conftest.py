"""Finished runs of train-mlp that the tests of the verbs ask."""

from pathlib import Path

import pytest

from tests.cli.calling import DATA, HELD_OUT, sets, train


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs on the digits, the golf table (both with dropout), the diabetes table, with either noise."""
    folder = tmp_path_factory.mktemp("runs")
    noisy = sets(model="[{dense: 32}, batch_norm, {dropout: 0.3}]", shards=2)
    plain = sets(model="[{dense: 16}, {dropout: 0.1}]")
    train(DATA / "digits.csv", folder / "digits", "-q", *HELD_OUT, *noisy)
    train(DATA / "golf.csv", folder / "golf", "-q", *sets(model="[{dense: 8}]", epochs=4))
    train(DATA / "diabetes.csv", folder / "constant", "-q", *HELD_OUT, *plain)
    train(DATA / "diabetes.csv", folder / "learnt", "-q", *HELD_OUT, *plain, "--noise", "learnt")
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture(scope="session")
def digits(runs: dict[str, Path]) -> Path:
    return runs["digits"]
