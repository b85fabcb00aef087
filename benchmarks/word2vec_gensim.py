"""The peer of the word2vec row: ``python -m benchmarks.word2vec_gensim CORPUS MODEL THREADS``."""

import sys
import time
from pathlib import Path

import gensim

from benchmarks.measure import say


def main() -> None:
    corpus, kind, threads = sys.argv[1:]
    start = time.perf_counter()
    with Path(corpus).open(encoding="utf-8") as file:
        sentences = [line.split() for line in file]
    model = gensim.models.Word2Vec(
        vector_size=100, window=5, negative=5, sample=1e-3, min_count=5, sg=int(kind == "skip-gram"),
        workers=int(threads), epochs=1,
    )  # fmt: skip
    model.build_vocab(sentences)
    read = time.perf_counter() - start
    words = sum(model.wv.get_vecattr(word, "count") for word in model.wv.index_to_key)
    start = time.perf_counter()
    model.train(sentences, total_examples=len(sentences), epochs=1)
    seconds = time.perf_counter() - start
    say(
        train_seconds=seconds,
        read_seconds=read,
        words_a_second=words / seconds,
        versions={"gensim": gensim.__version__},
    )


if __name__ == "__main__":
    main()
