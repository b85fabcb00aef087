"""The peers of the lda row: scikit-learn's LatentDirichletAllocation, and tomotopy's LDAModel."""

import sys
import time

import numpy as np

from benchmarks.lda_words import HALVES, TOPICS, WORDS, Words
from benchmarks.measure import say


def scikit_learn(words: Words, threads: int, rounds: int) -> dict[str, object]:
    """Batch variational Bayes, as people call it."""
    import sklearn
    from scipy.sparse import csr_matrix
    from sklearn.decomposition import LatentDirichletAllocation

    def matrix(name: str) -> csr_matrix:
        tokens, ends = words.part(name)
        made = csr_matrix((np.ones(len(tokens)), tokens, ends), shape=(len(ends) - 1, words.vocabulary))
        made.sum_duplicates()
        return made

    counts = matrix(WORDS)
    model = LatentDirichletAllocation(TOPICS, max_iter=rounds, random_state=1, n_jobs=threads)
    began = time.perf_counter()
    model.fit(counts)
    seconds = time.perf_counter() - began
    theta = model.transform(matrix(HALVES[0]))
    phi = (model.components_ / model.components_.sum(axis=1, keepdims=True)).T
    rate = len(words.part(WORDS)[0]) * rounds / seconds
    found = words.perplexity(theta / theta.sum(axis=1, keepdims=True), phi)
    return {"seconds": seconds, "whole_seconds": seconds, "perplexity": found, "tokens_a_second": rate,
            "versions": {"scikit-learn": sklearn.__version__}}  # fmt: skip


def tomotopy(words: Words, threads: int, rounds: int) -> dict[str, object]:
    """Collapsed Gibbs sampling with alpha fitted every ten sweeps; perplexity by its own inference."""
    import tomotopy as tp

    names = [f"w{k}" for k in range(words.vocabulary)]

    def documents(name: str) -> list[list[str]]:
        tokens, ends = words.part(name)
        return [[names[w] for w in piece.tolist()] for piece in np.split(tokens, ends[1:-1])]

    model = tp.LDAModel(k=TOPICS, alpha=0.1, eta=0.01, seed=1)
    for document in documents(WORDS):
        if document:
            model.add_doc(document)
    model.train(0)
    began = time.perf_counter()
    model.train(rounds, workers=threads)
    seconds = time.perf_counter() - began
    known = list(model.used_vocabs)
    phi = np.full((words.vocabulary, TOPICS), 1e-12)
    numbers = [int(name[1:]) for name in known]
    phi[numbers] = np.array([model.get_topic_word_dist(k) for k in range(TOPICS)]).T
    held = documents(HALVES[0])
    theta = np.tile(np.asarray(model.alpha) / np.sum(model.alpha), (len(held), 1))
    filled = [d for d, document in enumerate(held) if document]
    theta[filled] = np.array(model.infer([model.make_doc(held[d]) for d in filled], workers=threads)[0])
    return {"whole_seconds": seconds, "perplexity": words.perplexity(theta, phi),
            "tokens_a_second": model.num_words * rounds / seconds,
            "versions": {"tomotopy": tp.__version__}}  # fmt: skip


if __name__ == "__main__":
    peer, path, workers, passes = sys.argv[1:]
    train = {"scikit-learn": scikit_learn, "tomotopy": tomotopy}[peer]
    say(**train(Words(path), int(workers), int(passes)))
