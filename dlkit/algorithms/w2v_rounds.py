"""word2vec's steps: pieces of text worked on at the same time, with the same bits for any number of threads.

A round takes some pieces of text one after another in the corpus. Each piece copies the rows that it touches,
goes through its windows in order, and hands back how its rows have changed; the changes are added to the
matrices piece by piece. What a piece does depends on the matrices before the round and on its own draws
alone.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from dlkit.algorithms.protocol import Context
from dlkit.algorithms.w2v_recipe import Word2VecRecipe
from dlkit.algorithms.w2v_vocabulary import chances_to_stay, huffman_tree, noise_tables
from dlkit.kernels.compile import compiled
from dlkit.kernels.w2v_draw import draw_negatives, draw_of, draw_windows, tree_targets
from dlkit.kernels.w2v_pieces import add_all, piece_apart, piece_in_place, weights_of
from dlkit.kernels.w2v_rows import add_changes, changes_of_rows, copy_rows, number_rows
from dlkit.kernels.w2v_windows import EACH, MEAN, SUM, embed_windows
from dlkit.readers.corpus import MARK, Corpus

STEEPNESS = 0.25
"""How steep the loss is taken to be around a row, for weighing the changes of several pieces."""
NONE = np.zeros(0, np.int32)
WIDTH = 8
"""Rows are padded with zeros to a multiple of so many numbers, so that loops have no rest."""


def padded(dim: int) -> int:
    """Numbers of a row in memory."""
    return -(-dim // WIDTH) * WIDTH


@dataclass
class Windows:
    """The windows of a piece of text, drawn."""

    words: np.ndarray
    """(m,) int32, MARK where a sentence ends."""
    reach: np.ndarray
    own: np.ndarray
    """(m,) int32: the document's row of the input matrix; (0,) where there are no documents."""
    targets: np.ndarray
    signs: np.ndarray
    ends: np.ndarray


@dataclass
class Touched:
    """Rows of a matrix that a piece touches, and how often."""

    rows: np.ndarray
    times: np.ndarray


@dataclass
class Change:
    """What a piece did: by how much each row that it touched moved, and the sums of its losses."""

    touched: dict[str, Touched]
    moved: dict[str, np.ndarray]
    loss: np.ndarray


class Drawing:
    """Makes windows of text, by draws that are a function of the seed and the place in the text."""

    def __init__(self, recipe: Word2VecRecipe, counts: np.ndarray) -> None:
        self.recipe, self.counts = recipe, counts
        self.keep = chances_to_stay(counts, recipe.sample)
        self.tree = huffman_tree(counts) if recipe.objective == "hierarchical" else None
        self.odds, self.alias = noise_tables(counts, recipe.noise)

    @property
    def paths(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The tree as arrays; empty ones without a tree."""
        if self.tree is None:
            return np.zeros(0, np.int64), NONE, NONE
        return self.tree.ends, self.tree.points, self.tree.codes

    @property
    def most(self) -> int:
        """Most targets of a window."""
        return self.tree.longest if self.tree is not None else self.recipe.negative + 1

    def windows(self, words: np.ndarray, seed: int, document: int | None, rows: np.ndarray | None) -> Windows:
        """words: (n,) int32. document: number of the first sentence, None: there are no documents; rows: the
        row of each document in the input matrix, None: V + its number."""
        recipe, n = self.recipe, len(words)
        kept, reach, used = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(1, np.int64)
        draw_windows(
            words, self.keep, recipe.window, int(recipe.dynamic), draw_of(seed, 1) >> 1, kept, reach, used
        )
        kept, reach = kept[: used[0]], reach[: used[0]]
        own = NONE
        if document is not None:
            passed = (
                document + np.concatenate([np.zeros(1, np.int64), np.cumsum(kept == MARK)[:-1]])[: len(kept)]
            )
            own = (len(self.counts) + passed if rows is None else rows[passed]).astype(np.int32)
            own[kept == MARK] = -1
        return Windows(kept, reach, own, *self._targets(kept, draw_of(seed, 2) >> 1))

    def _targets(self, kept: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        ends = np.empty(len(kept) + 1, np.int64)
        if self.tree is not None:
            words = kept[kept >= 0]
            size = int((self.tree.ends[words + 1] - self.tree.ends[words]).sum())
            targets, signs = np.empty(size, np.int32), np.empty(size, np.int32)
            tree_targets(kept, self.tree.ends, self.tree.points, self.tree.codes, targets, signs, ends)
            return targets, signs, ends
        size = len(kept) * (self.recipe.negative + 1)
        targets, signs = np.empty(size, np.int32), np.empty(size, np.int32)
        draw_negatives(kept, self.odds, self.alias, self.recipe.negative, seed, targets, signs, ends)
        return targets[: ends[-1]], signs[: ends[-1]], ends


class Rounds:
    """Goes through a corpus in rounds of pieces and moves the two matrices."""

    def __init__(
        self,
        recipe: Word2VecRecipe,
        context: Context,
        corpus: Corpus,
        drawing: Drawing,
        matrices: dict[str, Any],
    ) -> None:
        """matrices: input (V + documents, d), output (V or V - 1, d), d padded, on the device."""
        self.recipe, self.context, self.corpus, self.drawing = recipe, context, corpus, drawing
        self.matrices = matrices
        self.cuts, self.marks = corpus.stretches(recipe.piece_words)
        self.pieces = pieces_of(recipe, int(corpus.numbers.size))
        self.rows = corpus.document_names()[1] if recipe.docs else None
        if self.rows is not None:
            self.rows = self.rows + np.int32(len(drawing.counts))
        self.tags = NONE if self.rows is None else self.rows - np.int32(len(drawing.counts))
        self.loss = np.zeros(2)
        """Sum of the losses, and how many."""
        self.lr = recipe.lr
        self._seen: dict[str, np.ndarray] = {}

    @property
    def steps(self) -> int:
        """Rounds of an epoch."""
        return -(-(len(self.cuts) - 1) // self.pieces)

    def words_before(self, step: int) -> int:
        """Words of an epoch before its round `step` (from 0)."""
        piece = min(step * self.pieces, len(self.cuts) - 1)
        return int(self.cuts[piece] - self.marks[piece])

    def step(self, epoch: int, step: int, lr: float) -> float:
        """One round (from 0); returns the mean loss of it."""
        self.lr, first = lr, step * self.pieces
        chosen = list(range(first, min(first + self.pieces, len(self.cuts) - 1)))
        seed = int(self.context.streams.get("windows", epoch).integers(2**63))
        if self.context.backend.name == "gpu":
            loss = self._on_device(chosen, seed)
        elif self.recipe.updates == "hogwild" or self.pieces == 1:
            loss = self._in_place(chosen, seed)
        else:
            loss = self._apart(chosen, seed)
        if np.isfinite(loss).all():
            self.loss += loss
        return float(loss[0] / max(loss[1], 1))

    def windows(self, piece: int, seed: int) -> Windows:
        """Piece number `piece` of the corpus, drawn."""
        words = self.corpus.numbers.read(int(self.cuts[piece]), int(self.cuts[piece + 1]))
        document = int(self.marks[piece]) if self.recipe.docs else None
        return self.drawing.windows(words, draw_of(seed, piece + 1), document, self.rows)

    # -- three ways -------------------------------------------------------------------------------
    def _in_place(self, chosen: list[int], seed: int) -> np.ndarray:
        """Straight on the matrices: one piece after another, or (hogwild) threads beside each other."""
        act = compiled(piece_in_place)

        def work(shard: int) -> np.ndarray:
            total, loss = np.zeros(2), np.empty((1, 2))
            for piece in chosen[shard :: self.context.team.shards]:
                act(*self._piece(piece, seed), loss)
                total += loss[0]
            return total

        if self.recipe.updates == "rounds":  # one piece a round
            return work(0)
        return np.sum(self.context.team.map(work), axis=0)

    def _piece(self, piece: int, seed: int) -> tuple[Any, ...]:
        """What the loops over a piece are given."""
        drawing, recipe = self.drawing, self.recipe
        mine = draw_of(seed, piece + 1)
        return (
            self.corpus.numbers.read(int(self.cuts[piece]), int(self.cuts[piece + 1])), drawing.keep,
            recipe.window, int(recipe.dynamic), draw_of(mine, 1) >> 1,
            int(self.marks[piece]) if recipe.docs else -1, self.tags, len(drawing.counts), *drawing.paths,
            drawing.odds, drawing.alias, recipe.negative, draw_of(mine, 2) >> 1, self.matrices["input"],
            self.matrices["output"], self.lr, *manner(recipe),
        )  # fmt: skip

    def _apart(self, chosen: list[int], seed: int) -> np.ndarray:
        """Each piece on copies of its rows; then all changes, in the order of the pieces."""
        team, comm, act = self.context.team, self.context.comm, compiled(piece_apart)
        mine = chosen[comm.rank :: comm.size]

        def work(shard: int) -> list[Change]:
            found = []
            for piece in mine[shard :: team.shards]:
                loss = np.empty((1, 2))
                rows_a, times_a, moved_a, rows_b, times_b, moved_b = act(*self._piece(piece, seed), loss)
                touched = {"input": Touched(rows_a, times_a), "output": Touched(rows_b, times_b)}
                found.append(Change(touched, {"input": moved_a, "output": moved_b}, loss[0]))
            return found

        found = team.map(work)
        changes = [found[k % team.shards][k // team.shards] for k in range(len(mine))]
        if comm.size > 1:
            ranks = comm.gather(changes)
            comm.all_sum(np.zeros(1))  # a signal to stop travels with it
            changes = [ranks[k % comm.size][k // comm.size] for k in range(len(chosen))]
        loss = np.sum([change.loss for change in changes], axis=0)
        if np.isfinite(loss).all():
            self._add(changes)
        return loss

    def _add(self, changes: list[Change]) -> None:
        """All changes, piece by piece; the rows are shared out over the threads."""
        team, act = self.context.team, compiled(add_all)
        work = []
        for name, table in self.matrices.items():
            rest = self.pieces - len(changes)  # always so many, for each number is compiled anew
            rows = (*(change.touched[name].rows for change in changes), *[NONE] * rest)
            moved = (*(change.moved[name] for change in changes), *[table[:0]] * rest)
            weights = self._weights(name, [change.touched[name] for change in changes])
            work.append((table, rows, moved, weights))
        team.map(lambda shard: [act(*one, shard, team.shards) for one in work])

    def _weights(self, name: str, touched: list[Touched]) -> np.ndarray:
        """How much of each piece's change of each row is taken, the pieces one after another."""
        if name not in self._seen:
            self._seen[name] = np.zeros((2, self.matrices[name].shape[0]), np.int32)
        inputs = 2 * self.recipe.window if not self.recipe.dynamic else self.recipe.window + 1
        if self.recipe.model == "cbow" and name == "output":
            inputs = 1  # a window has one
        rows = np.concatenate([one.rows for one in touched])
        times = np.concatenate([one.times for one in touched])
        return compiled(weights_of)(rows, times, STEEPNESS * self.lr * inputs, *self._seen[name])

    def _on_device(self, chosen: list[int], seed: int) -> np.ndarray:
        """All pieces of a round at once, a warp each."""
        backend, move = self.context.backend, self.context.backend.asarray
        parts = [localised(self.windows(piece, seed)) for piece in chosen]
        w, first, last = stack(parts)
        weights = {
            name: self._weights(name, [t[name] for _, t in parts]).astype(backend.dtype)
            for name in self.matrices
        }
        rows = {name: move(np.concatenate([t[name].rows for _, t in parts])) for name in self.matrices}
        local = {
            name: backend.empty((len(rows[name]), table.shape[1])) for name, table in self.matrices.items()
        }
        for name, table in self.matrices.items():
            copy_rows(table, rows[name], local[name])
        loss = backend.empty((len(chosen), 2), np.float64)
        embed_windows(
            local["input"], local["output"], move(w.words), move(w.reach), move(w.own), move(w.targets),
            move(w.signs), move(w.ends), move(first), move(last), self.drawing.most, self.lr,
            *manner(self.recipe), 1, loss,
        )  # fmt: skip
        for name, table in self.matrices.items():
            changes_of_rows(table, rows[name], local[name])
        total = backend.to_host(loss).sum(axis=0)
        if np.isfinite(total).all():
            for name, table in self.matrices.items():
                add_changes(table, rows[name], local[name], move(weights[name]), 0, 1)
        return total


def pieces_of(recipe: Word2VecRecipe, numbers: int) -> int:
    """Pieces of a round: as the recipe says; 8 where the text has some hundreds of them, else 1."""
    if recipe.pieces != "auto":
        return int(recipe.pieces)
    return 8 if numbers > 400 * recipe.piece_words or recipe.updates == "hogwild" else 1


def manner(recipe: Word2VecRecipe) -> tuple[int, int, int]:
    """around, together and exact of the kernel `embed_windows`."""
    if recipe.model == "skip-gram":
        return int(not recipe.docs or recipe.doc_words), EACH, 0
    return 1, MEAN if recipe.combine == "mean" else SUM, int(recipe.exact_gradient)


def localised(w: Windows) -> tuple[Windows, dict[str, Touched]]:
    """The windows with rows numbered by first appearance, and the rows of the matrices that they stand
    for.
    """
    both = np.concatenate([w.words, w.own]) if len(w.own) else w.words
    local, inputs = _numbered(both)
    targets, outputs = _numbered(w.targets)
    words, own = local[: len(w.words)], local[len(w.words) :]
    return Windows(words, w.reach, own, targets, w.signs, w.ends), {"input": inputs, "output": outputs}


def _numbered(ids: np.ndarray) -> tuple[np.ndarray, Touched]:
    rows, times, local = (np.empty(len(ids), np.int32) for _ in range(3))
    used = np.empty(1, np.int64)
    number_rows(ids, rows, times, local, used)
    return local, Touched(rows[: used[0]], times[: used[0]])


def stack(parts: list[tuple[Windows, dict[str, Touched]]]) -> tuple[Windows, np.ndarray, np.ndarray]:
    """Pieces as one: their windows, the rows of each below those of the piece before, and where each
    begins and
    ends."""
    a = b = targets = 0
    pieces: list[Windows] = []
    for w, touched in parts:
        words, own = np.where(w.words >= 0, w.words + a, -1), np.where(w.own >= 0, w.own + a, -1)
        pieces.append(Windows(words, w.reach, own, w.targets + b, w.signs, w.ends[1:] + targets))
        a, b = a + len(touched["input"].rows), b + len(touched["output"].rows)
        targets += len(w.targets)

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(w, name) for w in pieces])

    last = np.cumsum([len(w.words) for w in pieces], dtype=np.int64)
    ends = np.concatenate([np.zeros(1, np.int64), joined("ends")])
    words, reach, own, rows, signs = (
        joined(name).astype(np.int32) for name in ("words", "reach", "own", "targets", "signs")
    )
    whole = Windows(words, reach, own, rows, signs, ends)
    return whole, np.concatenate([np.zeros(1, np.int64), last[:-1]]), last
