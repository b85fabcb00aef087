"""One contender of the lda row: the sampler until its topics foretell held-out words as well as asked.

``--prepare TEXT`` reads the corpus and writes its numbers, which the peers train on too.
"""

import argparse

from benchmarks.lda_words import HALVES, TOPICS, WORDS, Words
from benchmarks.measure import say

EVERY = 5
"""Sweeps between two looks at the perplexity; looking is not timed."""


def prepare(text: str, target: str) -> None:
    """Words of the training documents, and two halves of the held-out ones, as .npz."""
    import numpy as np

    from dlkit.algorithms.lda import LDA
    from dlkit.algorithms.lda_documents import Completion

    given = {"train": text, "labelled": True, "encoding": "latin-1", "test": 0.2}
    recipe = {"data": given, "text": {"stop_words": "english", "no_below": 5}}
    made = LDA(LDA.Recipe.model_validate(recipe), _context(1))
    made.read_data()
    halves = Completion(made.other["test"], made.context)
    parts = zip((WORDS, *HALVES), (made.documents, halves.given, halves.asked), strict=True)
    arrays: dict[str, np.ndarray] = {}
    for name, part in parts:
        arrays |= {f"{name}_w": part.words, f"{name}_e": part.ends}
    np.savez(target, **arrays, vocabulary=len(made.vocabulary))


def _context(threads: int):  # type: ignore[no-untyped-def]
    from dlkit.algorithms.protocol import Context
    from dlkit.backend import open_backend
    from dlkit.backend.streams import Streams
    from dlkit.backend.threads import Team

    return Context(open_backend("cpu"), Streams(1), Team(threads, threads))


def train(words: Words, threads: int, target: float, sweeps: int) -> dict[str, float]:
    """Seconds of sampling and of fitting alpha until the perplexity is `target`, and at `sweeps` sweeps."""
    import time

    import numpy as np

    from dlkit.algorithms.lda_documents import Topics, shares_of
    from dlkit.algorithms.lda_sampler import Sampler
    from dlkit.readers.documents import Documents

    context = _context(threads)
    given = Documents("given", *words.part(HALVES[0]), None)
    began = time.perf_counter()
    sampler = Sampler(*words.part(WORDS), words.vocabulary, TOPICS, context)
    sampler.draw()
    alpha, spent = np.full(TOPICS, 0.1), time.perf_counter() - began
    figures: dict[str, float] = {}
    sampling = 0.0
    for sweep in range(sweeps):
        began = time.perf_counter()
        for number in range(sampler.steps):
            sampler.step(sweep, number, alpha, 0.01)
        sampling += time.perf_counter() - began
        if (sweep + 1) % 10 == 0:
            alpha = sampler.counts().fitted_alpha(alpha, symmetric=False)
        spent += time.perf_counter() - began
        if (sweep + 1) % EVERY == 0:
            phi = (sampler.word_topics + 0.01) / (sampler.totals + 0.01 * words.vocabulary)
            topics = Topics(np.ascontiguousarray(phi, np.float32), alpha.astype(np.float32), 50)
            perplexity = words.perplexity(shares_of(given, topics, context), phi)
            if perplexity <= target and "seconds" not in figures:
                figures |= {"seconds": spent, "sweeps_needed": sweep + 1, "perplexity_then": perplexity}
    rate = sampler.tokens * sweeps / sampling
    return figures | {"whole_seconds": spent, "perplexity": perplexity, "tokens_a_second": rate}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("words")
    parser.add_argument("--prepare")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--target", type=float, default=0.0)
    parser.add_argument("--sweeps", type=int, default=100)
    asked = parser.parse_args()
    if asked.prepare:
        prepare(asked.prepare, asked.words)
        return
    words = Words(asked.words)
    train(words.few(), asked.threads, 0.0, EVERY)  # compiles and loads the kernels
    say(**train(words, asked.threads, asked.target, asked.sweeps))


if __name__ == "__main__":
    main()
