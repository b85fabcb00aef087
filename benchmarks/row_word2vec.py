"""Row word2vec: skip-gram and cbow with negative sampling against gensim, same text, same settings."""

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.options import Options, Section, heard, versions
from benchmarks.pairs import alternate, median_of, speed_ratio
from benchmarks.results import seconds_text, table

PEER = "gensim"
WORDS, DISTINCT, SENTENCE = 2_000_000, 30_000, 50


def measure(options: Options) -> Section:
    """Words a second of one pass; the text is read and counted before."""
    rows, notes = [], []
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus.txt"
        _write(corpus)
        for model in ("skip-gram", "cbow"):
            contenders = [
                options.ours(
                    f"dlkit, {updates}{', 1 thread' * (threads == 1)}", "benchmarks.word2vec_dlkit",
                    str(corpus), model, updates, str(threads),
                )
                for updates in ("rounds", "hogwild")
                for threads in dict.fromkeys((options.threads, 1))
            ]  # fmt: skip
            peer = [str(corpus), model, str(options.threads)]
            contenders.append(options.peer(PEER, "benchmarks.word2vec_gensim", *peer))
            rounds = alternate(contenders, options.rounds, warm_up=0, heard=heard)
            for one in contenders:
                rate = f"{median_of(rounds, one.name, 'words_a_second') / 1e3:,.0f}k"
                seconds = seconds_text(median_of(rounds, one.name, "train_seconds"))
                rows.append([model, one.name, seconds, rate])
            notes += [
                f"- {model}, {one.name}: {speed_ratio(rounds, one.name, PEER, 'train_seconds')}"
                for one in contenders[:-1]
            ]
    made = f"{WORDS:,} words drawn from {DISTINCT:,} by Zipf's law, sentences of {SENTENCE}"
    body = "\n\n".join(
        [
            f"{made}; 100 numbers a word, window 5, 5 negatives, sample 1e-3; {options.threads} threads "
            "where nothing else is said. Rounds give the same bits for any number of threads, hogwild "
            "does not.",
            table(["model", "", "training (median)", "words/s"], rows),
            "\n".join(notes),
        ]
    )
    return Section("word2vec, training", body, versions(*rounds[-1]))


def _write(path: Path) -> None:
    share = 1 / np.arange(1, DISTINCT + 1)
    words = np.random.default_rng(0).choice(DISTINCT, WORDS, p=share / share.sum()).reshape(-1, SENTENCE)
    path.write_text("".join(" ".join(map(str, row)) + "\n" for row in words.tolist()), encoding="ascii")
