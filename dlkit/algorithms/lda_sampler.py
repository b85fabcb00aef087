"""The state of collapsed Gibbs sampling and its sweeps, shared out over threads and ranks.

The documents are dealt out into parts. All parts of a step are sampled at the same time, each against the
counts n_wk and n_k as they stood before the step and its own changes (Newman, Asuncion, Smyth & Welling
2009); then the changes are added up. Counts are integers: the result depends on the number of parts alone,
not on which thread or machine had which.
"""

from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from dlkit.algorithms.lda_priors import Counts, Histogram
from dlkit.algorithms.protocol import Context, Tree
from dlkit.kernels.lda import lda_list, lda_sample

TOKENS_A_STEP = 2_000_000
"""Of each part: a tenth of a second with few topics, a second with thousands."""


@dataclass
class Part:
    """Some of the documents, their tokens sorted by word.

    What a part writes to is its own, not interleaved with that of others: threads that share lines of the
    cache wait for each other.
    """

    members: np.ndarray
    """(D,) numbers of its documents."""
    words: np.ndarray
    """(m,) int64, distinct words."""
    ends: np.ndarray
    """(m + 1,) int64: tokens of each of them."""
    documents: np.ndarray
    """(n,) int32, document of each token, as a place in `members`."""
    z: np.ndarray
    """(n,) int32, its topic."""
    starts: np.ndarray
    """(D + 1,) int64: room for the topics of each document in `listed`."""
    listed: np.ndarray
    """(L, 2) int32: a topic of the document, and how many of its words have it."""
    sizes: np.ndarray
    """(D,) int32: topics that each document has."""

    @property
    def word_of_token(self) -> np.ndarray:
        """(n,) int64."""
        return np.repeat(self.words, np.diff(self.ends))

    def places(self, sizes: np.ndarray) -> np.ndarray:
        """Places in `listed` of the first `sizes` topics of each document."""
        sizes = sizes.astype(np.int64)
        before = np.cumsum(sizes) - sizes
        return np.repeat(self.starts[:-1] - before, sizes) + np.arange(int(sizes.sum()))

    def pairs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(document, topic, times) of all that its documents list."""
        pairs = self.listed[self.places(self.sizes)]
        return np.repeat(self.members, self.sizes), pairs[:, 0], pairs[:, 1]


class Sampler:
    """Topics of all tokens and the counts that follow from them."""

    def __init__(
        self, words: np.ndarray, ends: np.ndarray, vocabulary: int, topics: int, context: Context
    ) -> None:
        """words: (T,) int32; document d has ends[d]:ends[d + 1], (D + 1,) int64."""
        self.context, self.topics, self.vocabulary = context, topics, vocabulary
        self.tokens, self.sizes_of_documents = len(words), np.diff(ends)
        team, comm = context.team, context.comm
        self.together = team.shards * comm.size
        self.steps = max(1, -(-len(words) // (TOKENS_A_STEP * self.together)))
        count = self.steps * self.together
        self.parts = [self._part(words, ends, p, count) for p in range(count)]
        self.word_topics = np.zeros((vocabulary, topics), np.int32)

    def _part(self, words: np.ndarray, ends: np.ndarray, p: int, count: int) -> Part:
        """Part p of `count` has every count-th document: neighbours, which are often alike, part."""
        members = np.arange(p, len(ends) - 1, count)
        sizes = self.sizes_of_documents[members]
        before = np.cumsum(sizes) - sizes
        mine = np.repeat(ends[members] - before, sizes) + np.arange(int(sizes.sum()))
        owner = np.repeat(np.arange(len(members), dtype=np.int32), sizes)
        order = np.argsort(words[mine], kind="stable")
        found, first = np.unique(words[mine][order], return_index=True)
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.minimum(sizes, self.topics))])
        return Part(
            members, found.astype(np.int64), np.append(first, len(order)).astype(np.int64), owner[order],
            np.zeros(len(order), np.int32), starts, np.zeros((int(starts[-1]), 2), np.int32),
            np.zeros(len(members), np.int32),
        )  # fmt: skip

    # -- the counts -------------------------------------------------------------------------------
    def draw(self) -> None:
        """Topics at random."""
        for p, part in enumerate(self.parts):
            rng = self.context.streams.get("init", p)
            part.z = rng.integers(0, self.topics, len(part.z), dtype=np.int32)
            lda_list(part.documents, part.z, self.topics, part.starts, part.listed, part.sizes)
        self._count()

    def _count(self) -> None:
        """n_wk and n_k from the topics of the tokens."""
        self.word_topics[...] = 0
        for part in self.parts:
            np.add.at(self.word_topics, (part.word_of_token, part.z), 1)
        self._sum()

    def _sum(self) -> None:
        self.totals = self.word_topics.sum(axis=0, dtype=np.int64)

    def step(self, sweep: int, number: int, alpha: np.ndarray, beta: float) -> int:
        """Sample the parts of step `number` (from 0) of a sweep. Returns their tokens."""
        context = self.context
        team, comm = context.team, context.comm
        dtype = context.backend.dtype
        prior = alpha.astype(dtype)
        first = number * self.together
        mine = range(first + comm.rank * team.shards, first + (comm.rank + 1) * team.shards)

        def work(shard: int) -> np.ndarray:
            part = self.parts[mine[shard]]
            rng = context.streams.get("gibbs", sweep, mine[shard])
            draws = rng.random(len(part.z), dtype=dtype)
            changes = np.empty((len(part.words), self.topics), np.int32)
            lda_sample(part.words, part.ends, part.documents, draws, self.word_topics, self.totals, prior,
                       beta, part.starts, part.listed, part.sizes, part.z, changes)  # fmt: skip
            return changes

        changes = team.map(work)
        if comm.size == 1:
            for p, change in zip(mine, changes, strict=True):
                self.word_topics[self.parts[p].words] += change
        else:
            self._exchange(mine, changes)
        self._sum()
        return sum(len(self.parts[p].z) for p in range(first, first + self.together))

    def _exchange(self, mine: range, changes: list[np.ndarray]) -> None:
        """Sum the changes of all ranks; every rank gets the topics that the others have found."""
        whole = np.zeros_like(self.word_topics)
        for p, change in zip(mine, changes, strict=True):
            whole[self.parts[p].words] += change
        self.context.comm.all_sum(whole)  # signals travel in it
        self.word_topics += whole
        for p, z, sizes, pairs in chain(*self.context.comm.gather([self._packed(p) for p in mine])):
            if p not in mine:
                part = self.parts[p]
                part.z[...], part.sizes[...] = z, sizes
                part.listed[part.places(sizes)] = pairs

    def _packed(self, p: int) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
        part = self.parts[p]
        return p, part.z, part.sizes, part.listed[part.places(part.sizes)]

    # -- what follows -------------------------------------------------------------------------------
    @property
    def topics_of_documents(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(document, topic, times) of all that documents list, by document."""
        owner, topics, times = (
            np.concatenate(one) for one in zip(*(p.pairs() for p in self.parts), strict=True)
        )
        order = np.argsort(owner, kind="stable")
        return owner[order], topics[order], times[order]

    @property
    def sizes(self) -> np.ndarray:
        """(D,) topics that each document has."""
        sizes = np.zeros(len(self.sizes_of_documents), np.int32)
        for part in self.parts:
            sizes[part.members] = part.sizes
        return sizes

    def counts(self) -> Counts:
        """How often each count occurs."""
        _, topics, times = self.topics_of_documents
        return Counts(
            Histogram.of(times, topics),
            Histogram.of(self.sizes_of_documents),
            Histogram.of(self.word_topics),
            Histogram.of(self.totals),
            self.vocabulary,
            self.tokens,
        )

    # -- state --------------------------------------------------------------------------------------
    def state(self) -> Tree:
        """Topics of the tokens part by part, and the documents' lists in their order, which the draws use."""
        _, topics, times = self.topics_of_documents
        z = [part.z for part in self.parts]
        return {
            "z": compact(np.concatenate(z)),
            "parts": len(self.parts),
            "sizes": compact(self.sizes),
            "topics": compact(topics),
            "times": compact(times),
        }

    def load(self, state: Tree) -> None:
        """The inverse. Raises ValueError for what does not fit the documents."""
        z, sizes = (np.asarray(state[name]).astype(np.int32) for name in ("z", "sizes"))
        topics, times = (np.asarray(state[name]).astype(np.int32) for name in ("topics", "times"))
        if state["parts"] != len(self.parts) or z.shape != (self.tokens,) or sizes.shape != self.sizes.shape:
            raise ValueError("topics of other documents, or of other parts of them")
        if len(z) and not (z.min() >= 0 and z.max() < self.topics):
            raise ValueError("topics beyond their number")
        room = np.minimum(self.sizes_of_documents, self.topics)
        if (sizes < 0).any() or (sizes > room).any() or not sizes.sum() == len(topics) == len(times):
            raise ValueError("lists of topics longer than their documents")
        at, before = 0, np.cumsum(sizes.astype(np.int64)) - sizes
        for part in self.parts:
            part.z = z[at : at + len(part.z)].copy()
            at += len(part.z)
            part.sizes = sizes[part.members].copy()
            first = np.repeat(before[part.members], part.sizes)
            own = part.places(part.sizes)
            where = first + own - np.repeat(part.starts[:-1], part.sizes)
            part.listed[own] = np.column_stack([topics[where], times[where]])
        self._check_lists()
        self._count()

    def _check_lists(self) -> None:
        """The lists must hold what the tokens say. Raises ValueError."""
        for part in self.parts:
            told, counted = np.unique(
                part.documents.astype(np.int64) * self.topics + part.z, return_counts=True
            )
            pairs = part.listed[part.places(part.sizes)].astype(np.int64)
            keys = np.repeat(np.arange(len(part.sizes)), part.sizes) * self.topics + pairs[:, 0]
            order = np.argsort(keys, kind="stable")
            if not (np.array_equal(keys[order], told) and np.array_equal(pairs[order, 1], counted)):
                raise ValueError("lists of topics that are not those of the tokens")


def compact(values: Any) -> np.ndarray:
    """Non-negative integers in the smallest type that holds them."""
    largest = int(values.max(initial=0))
    kinds: tuple[Any, ...] = (np.uint8, np.uint16, np.uint32, np.int64)
    return values.astype(next(kind for kind in kinds if largest <= np.iinfo(kind).max))
