"""The corpus of the lda row as arrays, and how held-out words are foretold; NumPy alone, for peers."""

import math

import numpy as np

TOPICS = 20
WORDS, HALVES = "train", ("given", "asked")


class Words:
    """Training documents, and two halves of each held-out document."""

    def __init__(self, path: str) -> None:
        arrays = np.load(path)
        self._arrays = {name: arrays[name] for name in arrays.files}
        self.vocabulary = int(arrays["vocabulary"])

    def part(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """(T,) word of each token; (D + 1,) ends of the documents."""
        return self._arrays[f"{name}_w"], self._arrays[f"{name}_e"]

    def few(self) -> "Words":
        """The same with 50 training documents."""
        made = object.__new__(Words)
        made.vocabulary, made._arrays = self.vocabulary, dict(self._arrays)
        words, ends = self.part(WORDS)
        made._arrays |= {f"{WORDS}_w": words[: ends[50]], f"{WORDS}_e": ends[:51]}
        return made

    def perplexity(self, theta: np.ndarray, phi: np.ndarray) -> float:
        """exp(-mean log p) of the halves that are asked; theta (D, K) from the others, phi (V, K)."""
        words, ends = self.part(HALVES[1])
        owner = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
        logs = [
            np.log((theta[owner[at : at + 20_000]] * phi[words[at : at + 20_000]]).sum(axis=1)).sum()
            for at in range(0, len(words), 20_000)
        ]
        return math.exp(-float(sum(logs)) / len(words))
