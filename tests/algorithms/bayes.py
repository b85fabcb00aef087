"""Naive Bayes trained in this process, for tests that look inside."""

from pathlib import Path
from typing import Any

import numpy as np

from dlkit.algorithms.bayes_nb import BayesNB
from dlkit.algorithms.protocol import Context
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team


def context(shards: int = 1) -> Context:
    return Context(open_backend("cpu", dtype="float64"), Streams(1), Team(shards, shards))


def read(train: Path, shards: int = 1, **keys: Any) -> BayesNB:
    """An algorithm that has read its data. `keys`: of the recipe; data is merged."""
    data = {"train": str(train)} | keys.pop("data", {})
    made = BayesNB(BayesNB.Recipe.model_validate({"data": data, **keys}), context(shards))
    made.read_data()
    made.build()
    return made


def trained(train: Path, shards: int = 1, **keys: Any) -> BayesNB:
    made = read(train, shards, **keys)
    for _ in made.train_epoch(1):
        pass
    made.end_epoch(1)
    return made


def posteriors(model: BayesNB, source: Path) -> np.ndarray:
    """(n, C) of all rows of a file."""
    answers = list(model.predict(str(source), {}))
    first = next(k for k, name in enumerate(answers[0].header) if name.startswith("P("))
    return np.concatenate([np.stack(answer.columns[first:], 1) for answer in answers])
