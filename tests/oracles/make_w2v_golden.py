"""Golden numbers of gensim for word2vec: this file run by a Python with gensim 4 writes w2v_golden.json.

One pass over four sentences with hierarchical softmax, a fixed window, no sub-sampling and a rate that stays:
nothing is drawn, so the vectors before and after can be compared. gensim looks its sigmoid up in a table of
1,000 entries between -6 and 6.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

SENTENCES = [
    ["the", "king", "rules", "the", "land", "and", "the", "queen", "rules", "the", "king"],
    ["a", "cat", "and", "a", "dog", "sleep", "on", "the", "land"],
    ["the", "queen", "has", "a", "cat", "the", "king", "has", "a", "dog"],
    ["sleep", "well", "said", "the", "dog", "and", "the", "cat"],
]
GOLDEN = Path(__file__).with_name("w2v_golden.json")


def trained(sg: int) -> dict[str, Any]:
    """Vectors before and after, and each word's way through the tree."""
    from gensim.models import Word2Vec

    model = Word2Vec(
        vector_size=7, window=2, min_count=1, sg=sg, hs=1, negative=0, sample=0, workers=1, alpha=0.2,
        min_alpha=0.2, shrink_windows=False, seed=3, cbow_mean=1,
    )  # fmt: skip
    model.build_vocab(SENTENCES)
    model.wv.vectors *= 4  # away from 0, where every sigmoid is 1/2
    rng = np.random.default_rng(1)
    model.syn1[...] = 0.3 * rng.standard_normal(model.syn1.shape)
    before = model.wv.vectors.tolist(), model.syn1.tolist()
    model.train(SENTENCES, total_examples=len(SENTENCES), epochs=1)
    words = model.wv.index_to_key
    return {
        "words": words,
        "codes": [[int(c) for c in model.wv.get_vecattr(word, "code")] for word in words],
        "points": [[int(p) for p in model.wv.get_vecattr(word, "point")] for word in words],
        "input": before[0],
        "output": before[1],
        "input_after": model.wv.vectors.tolist(),
        "output_after": model.syn1.tolist(),
    }


if __name__ == "__main__":
    golden = {"sentences": SENTENCES, "skip-gram": trained(1), "cbow": trained(0)}
    GOLDEN.write_text(json.dumps(golden) + "\n", encoding="utf-8")
