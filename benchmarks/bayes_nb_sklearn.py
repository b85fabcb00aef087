"""The peer of the bayes-nb row: CountVectorizer and MultinomialNB, as people write it."""

import sys
import time
from pathlib import Path

import sklearn
from sklearn.datasets import load_files
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB

from benchmarks.measure import say


def main() -> None:
    source = sys.argv[1]
    began = time.perf_counter()
    if Path(source).is_dir():
        data = load_files(source, encoding="latin-1", shuffle=False)
        texts, labels = data.data, data.target
    else:
        with Path(source).open(encoding="latin-1") as lines:
            labels, texts = zip(*(line.split("\t", 1) for line in lines), strict=True)
    vectoriser = CountVectorizer()
    counts = vectoriser.fit_transform(texts)
    MultinomialNB().fit(counts, labels)
    say(
        train_seconds=time.perf_counter() - began,
        features=counts.shape[1],
        versions={"scikit-learn": sklearn.__version__},
    )


if __name__ == "__main__":
    main()
