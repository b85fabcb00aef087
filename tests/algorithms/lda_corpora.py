"""Small corpora for the tests of lda, and an LDA made of them without files."""

from pathlib import Path
from typing import Any

import numpy as np

from dlkit.algorithms.lda import LDA
from dlkit.algorithms.lda_sampler import Sampler
from dlkit.algorithms.protocol import Context
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team


def context(seed: int = 1, *, threads: int = 1, shards: int = 1, dtype: str = "float64") -> Context:
    return Context(open_backend("cpu", dtype=dtype), Streams(seed), Team(threads, shards))


def drawn(
    documents: int, words: int, topics: int, length: int, seed: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    """Words and ends of documents drawn from planted topics, each over its own words."""
    rng = np.random.default_rng(seed)
    theta = rng.dirichlet(np.full(topics, 0.3), documents)
    own = np.array_split(np.arange(words), topics)
    sizes = rng.integers(0, 2 * length, documents)
    found = [rng.choice(own[k]) for d in range(documents) for k in rng.choice(topics, sizes[d], p=theta[d])]
    ends = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return np.array(found, np.int32), ends


def sampler(words: Any, ends: Any, vocabulary: int, topics: int, **how: Any) -> Sampler:
    """With topics drawn at random."""
    made = Sampler(
        np.asarray(words, np.int32), np.asarray(ends, np.int64), vocabulary, topics, context(**how)
    )
    made.draw()
    return made


def of_file(path: Path, given: dict[str, Any] | None = None, **how: Any) -> LDA:
    """An LDA that has read a file and is built."""
    recipe = LDA.Recipe.model_validate({"data": {"train": str(path)}, **(given or {})})
    made = LDA(recipe, context(**how))
    made.read_data()
    made.build()
    return made
