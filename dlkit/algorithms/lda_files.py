"""What a run of lda leaves: words of topics, topics of documents, coherence, a picture."""

import io
from collections.abc import Callable, Iterator

import numpy as np

from dlkit.algorithms.lda_model import TopicModel
from dlkit.algorithms.lda_recipe import LDARecipe
from dlkit.pictures import figures
from dlkit.pictures.topics import DrawnTopic, bars
from dlkit.training.metrics import to_csv

MOST_IN_CSV = 4_000_000
"""Numbers above which doc_topics.csv is not written unless the recipe says so."""
DRAWN = 30
"""Most topics in the picture."""


def topic_files(
    model: TopicModel, recipe: LDARecipe, log: Callable[[str], None]
) -> Iterator[tuple[str, str | bytes]]:
    """(name, content) of each file; the same topics give the same bytes."""
    yield "topics.csv", topics_csv(model, recipe.files.words, recipe.relevance)
    yield "coherence.csv", coherence_csv(model)
    theta = model.theta()
    if recipe.files.csv is True or (recipe.files.csv == "auto" and theta.size <= MOST_IN_CSV):
        yield "doc_topics.csv", documents_csv(model, theta)
    elif recipe.files.csv == "auto":
        log(f"{theta.size:,} shares of topics: no doc_topics.csv (files.csv: true writes it)")
    if recipe.files.npz:
        yield "doc_topics.npz", arrays(model, theta)
    if recipe.pictures:
        if figures.available():
            yield "topics.png", picture(model, recipe, log)
        else:
            log('no topics.png: matplotlib is not installed (pip install "dlkit[report]")')


def topics_csv(model: TopicModel, count: int, relevance: float) -> str:
    """topic, rank, word, p(word|topic), lift = p(word|topic) / p(word), times that the word has the topic."""
    numbers, probabilities = model.top(count, relevance)
    marginal = model.phi() @ model.shares
    rows = []
    for k, (words, p) in enumerate(zip(numbers.tolist(), probabilities.tolist(), strict=True)):
        for rank, (w, one) in enumerate(zip(words, p, strict=True), 1):
            if w < 0:
                break
            lift, times = one / float(marginal[w]), int(model.word_topics[w, k])
            rows.append([str(k + 1), str(rank), model.words[w], f"{one:.6g}", f"{lift:.6g}", str(times)])
    return to_csv(["topic", "rank", "word", "probability", "lift", "count"], rows)


def coherence_csv(model: TopicModel) -> str:
    """topic, its share of all words, alpha, UMass, NPMI."""
    columns = (model.shares, model.alpha, *model.coherence)
    rows = [
        [str(k + 1), *("" if np.isnan(x) else f"{x:.6g}" for x in row)]
        for k, row in enumerate(zip(*(column.tolist() for column in columns), strict=True))
    ]
    return to_csv(["topic", "share", "alpha", "umass", "npmi"], rows)


def documents_csv(model: TopicModel, theta: np.ndarray) -> str:
    """document, its label where there are labels, words, first topic, share of each topic."""
    label = ["label"] if model.labels is not None else []
    header = ["document", *label, "words", "topic", *(f"topic_{k + 1}" for k in range(theta.shape[1]))]
    first = (theta.argmax(axis=1) + 1).tolist()
    rows = (
        [
            name,
            *([model.labels[d]] if model.labels is not None else []),
            str(words),
            str(first[d]),
            *(f"{share:.5g}" for share in theta[d].tolist()),
        ]
        for d, (name, words) in enumerate(zip(model.names, model.tokens.tolist(), strict=True))
    )
    return to_csv(header, rows)


def arrays(model: TopicModel, theta: np.ndarray) -> bytes:
    """theta (D, K) and phi (K, V) as float32, documents, words, alpha, beta, in one .npz."""
    out = io.BytesIO()
    phi = np.ascontiguousarray(model.phi().T, np.float32)
    names, words = np.array(model.names, np.str_), np.array(model.words, np.str_)
    np.savez(out, theta=theta, phi=phi, documents=names, words=words, alpha=model.alpha,
             beta=np.float64(model.beta))  # fmt: skip
    return out.getvalue()


def picture(model: TopicModel, recipe: LDARecipe, log: Callable[[str], None]) -> bytes:
    """The topics' words as bars, the largest topics where there are many."""
    numbers, probabilities = model.top(recipe.top_words, recipe.relevance)
    used = int((model.totals > 0).sum())
    chosen = np.sort(np.argsort(-model.shares, kind="stable")[: min(used, DRAWN)]).tolist()
    drawn = []
    for k in chosen:
        words = [model.words[w] for w in numbers[k].tolist() if w >= 0]
        title = f"topic {k + 1}   {100 * model.shares[k]:.1f} %"
        drawn.append(DrawnTopic(title, words, probabilities[k, : len(words)].tolist()))
    if missing := figures.missing_font("".join(word for topic in drawn for word in topic.words)):
        log(missing)
    return bars(drawn)
