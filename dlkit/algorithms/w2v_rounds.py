"""word2vec's steps: pieces of text worked on at the same time, with the same bits for any number of threads.

A round takes some pieces of text one after another in the corpus. Rows that one piece alone touches it moves;
of others each piece has a copy, and the copies are put together afterwards (kernels/w2v_pieces.py). What a
piece does depends on the matrices before the round and on its own draws alone.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from dlkit.algorithms.protocol import Context
from dlkit.algorithms.w2v_device import round_on_device
from dlkit.algorithms.w2v_drawing import NONE, Drawing, Windows, manner
from dlkit.algorithms.w2v_recipe import Word2VecRecipe
from dlkit.backend.blas import find_yield
from dlkit.kernels import chance
from dlkit.kernels.compile import compiled
from dlkit.kernels.w2v_pieces import (
    APART,
    Manner,
    Room,
    Rows,
    Tables,
    Text,
    count_pieces,
    draw_pieces,
    merge_pieces,
    pieces_in_place,
    rounds_apart,
    work_pieces,
)
from dlkit.readers.corpus import Corpus

STEEPNESS = 0.25
"""How steep the loss is taken to be around a row, for weighing the changes of several pieces."""
WORK_OF_A_STEP = 1 << 18
"""Inputs that answer in a step, about: some hundredths of a second."""


class Plan:
    """Where a corpus is cut, and how many pieces are worked on at a time."""

    def __init__(
        self, recipe: Word2VecRecipe, corpus: Corpus, drawing: Drawing, rows: dict[str, int]
    ) -> None:
        """rows: of each matrix."""
        self.pieces = pieces_of(recipe, int(corpus.numbers.size))
        """Pieces of a round."""
        self.apart = recipe.updates == "rounds" and self.pieces > 1
        """Whether the pieces of a round have copies of what they share."""
        inputs = recipe.window + 1 if recipe.dynamic else 2 * recipe.window
        round_inputs = self.pieces * recipe.piece_words * (inputs if recipe.model == "skip-gram" else 1)
        self.in_step = self.pieces * max(WORK_OF_A_STEP // round_inputs, 1)
        """Pieces of a step: those of some rounds."""
        self.stretches = corpus.stretches(recipe.piece_words, self.in_step)
        self.rows = rows
        longest = self.stretches.longest
        named = {"input": longest * (2 if recipe.docs else 1), "output": longest * drawing.most}
        self.named = {name: max(most, 1) for name, most in named.items()}
        """Rows that a piece names at most, some of them again and again."""

    def spare(self, name: str) -> int:
        """Rows for copies, behind those of a matrix."""
        return self.pieces * min(self.named[name], self.rows[name]) if self.apart else 0


class Rounds:
    """Goes through a corpus in rounds of pieces and moves the two matrices."""

    def __init__(
        self, recipe: Word2VecRecipe, context: Context, corpus: Corpus, drawing: Drawing, plan: Plan,
        matrices: dict[str, Any],
    ) -> None:  # fmt: skip
        """matrices: input (V + documents, d), output (V or V - 1, d), d padded, on the device; on a CPU with
        the plan's spare rows behind."""
        self.recipe, self.context, self.corpus, self.drawing = recipe, context, corpus, drawing
        self.plan, self.matrices = plan, matrices
        names = corpus.document_names()[1] if recipe.docs else None
        self.tags = NONE if names is None else names
        """Document of each sentence; (0,): each is one of its own."""
        self.loss = np.zeros(2)
        """Sum of the losses, and how many."""
        self._seed = (0, 0)
        words = len(drawing.counts)
        base = words if recipe.docs else -1
        self.manner = Manner(recipe.window, int(recipe.dynamic), recipe.negative, base, *manner(recipe))
        self.tables = Tables(drawing.keep, self.tags, *drawing.paths, drawing.odds, drawing.alias)
        if context.backend.name == "cpu":
            self.inputs, self.outputs, self.room = self._space()

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self.plan.stretches.steps

    def words_before(self, step: int) -> int:
        """Words of an epoch before its step `step` (from 0)."""
        return self.plan.stretches.words_before(step)

    def step(self, epoch: int, step: int, lr_at: Callable[[int], float]) -> float:
        """One step (from 0); returns its mean loss. lr_at: the rate after so many words of the epoch."""
        cuts, marks = self.plan.stretches.of(step)
        if self._seed[0] != epoch:
            self._seed = epoch, int(self.context.streams.get("windows", epoch).integers(2**63))
        lrs = np.array([lr_at(int(words)) for words in (cuts - marks)[: -1 : self.plan.pieces]])
        words = self.corpus.numbers.read(int(cuts[0]), int(cuts[-1]))
        text = Text(words, cuts - cuts[0], marks[:-1], step * self.plan.in_step, self._seed[1])
        if self.context.backend.name == "gpu":
            loss = self._on_device(text, lrs)
        else:
            losses = np.zeros((len(cuts) - 1, 2))
            if not self.plan.apart:
                self._in_place(text, np.repeat(lrs, self.plan.pieces), losses)
            elif self.context.comm.size == 1:
                self._apart(text, lrs, losses)
            else:
                self._on_ranks(text, lrs, losses)
            loss = losses.sum(axis=0)
        if np.isfinite(loss).all():
            self.loss += loss
        return float(loss[0] / max(loss[1], 1))

    # -- on a CPU ---------------------------------------------------------------------------------
    def _space(self) -> tuple[Rows, Rows, Room]:
        plan = self.plan
        pieces = plan.pieces if plan.apart else self.context.team.shards
        longest = plan.stretches.longest
        spaces = []
        for name in ("input", "output"):
            most, rows = plan.named[name], plan.rows[name] if plan.apart else 0
            apart = most if plan.apart else 0
            ids, local, touched, times, place = (
                np.empty((pieces, size), np.int32) for size in (most, apart, apart, apart, apart)
            )
            seen, total = np.zeros(rows, np.int32), np.zeros(rows, np.int32)
            used, weight = np.zeros(pieces, np.int64), np.zeros(rows)
            spaces.append(Rows(ids, local, touched, times, place, used, seen, total, weight))
        room = Room(
            np.empty((pieces, longest), np.int32), np.empty((pieces, plan.named["output"]), np.int32),
            np.empty((pieces, longest + 1), np.int64), np.zeros(pieces, np.int64), np.zeros(pieces, np.int64),
        )  # fmt: skip
        return spaces[0], spaces[1], room

    @property
    def _given(self) -> tuple[Any, ...]:
        return self.tables, self.manner, self.inputs, self.outputs, self.room

    def _in_place(self, text: Text, lrs: np.ndarray, losses: np.ndarray) -> None:
        """Straight on the matrices: one piece after another, or (hogwild) threads beside each other."""
        act, team = compiled(pieces_in_place), self.context.team
        given = (text, *self._given, self.matrices["input"], self.matrices["output"], lrs, losses)
        if self.recipe.updates == "hogwild":
            team.map(lambda shard: act(*given, shard, team.shards))
        else:
            act(*given, 0, 1)

    def _apart(self, text: Text, lrs: np.ndarray, losses: np.ndarray) -> None:
        """Each piece by itself; then what several of them moved is put together, piece after piece."""
        team, act = self.context.team, compiled(rounds_apart)
        parts = min(team.threads, self.plan.pieces)  # who waits for another must not keep it from running
        given = (
            text, *self._given, self.matrices["input"], self.matrices["output"], lrs,
            np.array([self._rates(lr) for lr in lrs]), losses, np.zeros(parts * APART, np.int64),
            find_yield(),
        )  # fmt: skip
        if parts == 1:
            act(*given, 0, 1)
        else:
            team.map(lambda shard: act(*given, shard, parts) if shard < parts else None)

    def _on_ranks(self, text: Text, lrs: np.ndarray, losses: np.ndarray) -> None:
        """The same, the pieces shared out over the ranks of an MPI job."""
        team, comm = self.context.team, self.context.comm
        draw, count, work, merge = (
            compiled(one) for one in (draw_pieces, count_pieces, work_pieces, merge_pieces)
        )
        inputs, outputs, room = self.inputs, self.outputs, self.room
        a, b, shards = self.matrices["input"], self.matrices["output"], team.shards
        for start, lr in zip(range(0, len(losses), self.plan.pieces), lrs.tolist(), strict=True):
            pieces = min(self.plan.pieces, len(losses) - start)
            which = start, pieces
            team.map(partial(_part, draw, (text, *which, *self._given), shards))
            count(pieces, inputs, outputs, 0, 1)
            given = (*which, inputs, outputs, room, self.manner, a, b, lr, losses, comm.rank, comm.size)
            team.map(partial(_part, work, given, shards))
            self._exchange(start, pieces, losses)
            for m, table, rate in zip((inputs, outputs), (a, b), self._rates(lr), strict=True):
                merge(m, table, pieces, rate, 0, 1)

    def _exchange(self, start: int, pieces: int, losses: np.ndarray) -> None:
        """What the other ranks' pieces have made of their rows and copies."""
        comm, spaces = self.context.comm, {"input": self.inputs, "output": self.outputs}

        def places(name: str, piece: int) -> np.ndarray:
            return spaces[name].place[piece, : spaces[name].used[piece]]

        mine = {
            piece: (
                losses[start + piece],
                {name: rows[places(name, piece)] for name, rows in self.matrices.items()},
            )
            for piece in range(comm.rank, pieces, comm.size)
        }
        found = comm.gather(mine)
        comm.all_sum(np.zeros(1))  # a signal to stop travels with it
        for one in found:
            for piece, (loss, moved) in one.items():
                losses[start + piece] = loss
                for name, rows in moved.items():
                    self.matrices[name][places(name, piece)] = rows

    def _rates(self, lr: float) -> tuple[float, float]:
        """For change_weights, of each matrix: what a step takes off a row's distance to where it is drawn."""
        recipe = self.recipe
        inputs = recipe.window + 1 if recipe.dynamic else 2 * recipe.window
        rate = STEEPNESS * lr * inputs
        return rate, STEEPNESS * lr if recipe.model == "cbow" else rate

    # -- on a GPU ---------------------------------------------------------------------------------
    def _on_device(self, text: Text, lrs: np.ndarray) -> np.ndarray:
        if not hasattr(self, "_seen"):
            self._seen = {name: np.zeros((2, rows), np.int32) for name, rows in self.plan.rows.items()}
        loss, chosen = np.zeros(2), range(len(text.marks))
        for number, lr in enumerate(lrs.tolist()):
            mine = chosen[number * self.plan.pieces : (number + 1) * self.plan.pieces]
            pieces, rates = [self._windows(text, piece) for piece in mine], self._rates(lr)
            loss += round_on_device(
                pieces, self.matrices, self.context.backend, self.recipe, self.drawing.most, lr,
                dict(zip(self.matrices, rates, strict=True)), self._seen,
            )  # fmt: skip
        return loss

    def _windows(self, text: Text, piece: int) -> Windows:
        """Piece number `piece` of a step, drawn."""
        words = text.words[text.bounds[piece] : text.bounds[piece + 1]]
        rows = self.tags + np.int32(len(self.drawing.counts)) if len(self.tags) else None
        document = int(text.marks[piece]) if self.recipe.docs else None
        return self.drawing.windows(words, chance.draw(text.seed, text.first + piece + 1), document, rows)


def _part(act: Callable[..., None], given: tuple[Any, ...], shards: int, shard: int) -> None:
    act(*given, shard, shards)


def pieces_of(recipe: Word2VecRecipe, numbers: int) -> int:
    """Pieces of a round: as the recipe says; 8 where the text has some hundreds of them, else 1."""
    if recipe.pieces != "auto":
        return int(recipe.pieces)
    return 8 if numbers > 400 * recipe.piece_words or recipe.updates == "hogwild" else 1
