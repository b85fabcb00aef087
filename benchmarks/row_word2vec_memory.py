"""Row word2vec-memory: a stream of text on standard input, and what the command's memory is made of."""

import os

from benchmarks.options import Options, Section, heard, versions
from benchmarks.pairs import run
from benchmarks.results import bytes_text, table
from benchmarks.word2vec_memory import DIM, DISTINCT
from dlkit.algorithms.w2v_drawing import padded

PARTS = 8, 1
"""Sizes: so many times smaller than the whole."""


def measure(options: Options) -> Section:
    """One pass over an eighth of CORPUS_GB (environment; 5), then over all of it."""
    whole = int(float(os.environ.get("CORPUS_GB", "5")) * 1e9)
    matrices = 2 * DISTINCT * padded(DIM) * 4
    run(options.ours("warm-up", "benchmarks.word2vec_memory", "1000000", str(options.threads)))  # compiles
    rows, done = [], []
    for part in PARTS:
        size = whole // part
        name = f"{size / 1e6:,.0f} MB"
        done.append(run(options.ours(name, "benchmarks.word2vec_memory", str(size), str(options.threads))))
        heard(done[-1])
        peak = int(done[-1].figure("command_peak_bytes"))
        libraries = int(done[-1].figure("libraries_bytes"))
        rest = peak - matrices - libraries
        rows.append([name, *map(bytes_text, (peak, matrices, libraries, rest))])
    body = "\n\n".join(
        [
            f"Generated text read from standard input, {DISTINCT:,} different words, {DIM} numbers a word, "
            f"one pass, threads: {options.threads}. Libraries: pages of their files, most of them numba's "
            "compiler. The rest: Python's objects, the vocabulary, the pieces under way.",
            table(["text", "peak memory", "of it the two matrices", "libraries", "the rest"], rows),
        ]
    )
    return Section("word2vec, memory", body, versions(*done))
