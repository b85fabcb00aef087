"""Files of a run: their bytes, and that no copy of a matrix is held while they are written."""

import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dlkit.algorithms.protocol import Context
from dlkit.algorithms.w2v_asked import of_length_one
from dlkit.algorithms.w2v_files import written_files
from dlkit.algorithms.w2v_recipe import FilesSpec, Word2VecRecipe
from dlkit.algorithms.word2vec import Word2Vec
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team
from dlkit.readers.word_vectors import to_binary, to_text
from dlkit.training import checkpoint

WORDS = [f"語{k}" for k in range(500)]
ROWS = np.random.default_rng(1).standard_normal((500, 100)).astype(np.float32)


def peak_of(act: Callable[[], object]) -> int:
    """Bytes that a call holds at most beyond what was held before."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_files_of_a_run_are_made_while_they_are_written() -> None:
    made = dict(written_files(FilesSpec(text=True, binary=True), [("vectors", WORDS, ROWS)], print))
    for name, whole in (("vectors.txt", to_text), ("vectors.bin", to_binary)):
        content, stream, nowhere = made[name], io.BytesIO(), io.BufferedWriter(_Nowhere())
        assert callable(content)
        content(stream)
        assert stream.getvalue() == whole(WORDS, ROWS)
        assert peak_of(lambda content=content, to=nowhere: content(to)) < 150_000  # type: ignore[misc]
        assert peak_of(lambda whole=whole: whole(WORDS, ROWS)) > 200_000  # type: ignore[misc]


def test_rows_of_length_one_take_one_matrix_more() -> None:
    rows = np.repeat(ROWS, 80, axis=0)
    assert peak_of(lambda: of_length_one(rows)) < 1.6 * rows.nbytes
    np.testing.assert_allclose(np.linalg.norm(of_length_one(rows), axis=1), 1, rtol=1e-5)


def test_saving_takes_no_copy_of_a_matrix(tmp_path: Path) -> None:
    words = [f"w{k}" for k in range(2000)]
    (tmp_path / "corpus.txt").write_text("\n".join(words), encoding="utf-8")
    data = {"train": str(tmp_path / "corpus.txt"), "min_count": 1}
    recipe = Word2VecRecipe.model_validate({"data": data, "dim": 2000})
    algorithm = Word2Vec(recipe, Context(open_backend(), Streams(1), Team(1, 1)))
    algorithm.read_data()
    algorithm.build()
    matrix = algorithm.matrices["input"].nbytes
    with (tmp_path / "checkpoint.h5").open("w+b") as stream:
        tree = algorithm.state()
        peak = peak_of(lambda: checkpoint.write(stream, tree, command="word2vec"))
    assert (tmp_path / "checkpoint.h5").stat().st_size > 2 * matrix * 0.99
    assert peak < 0.9 * matrix, "chunks of 4 MB are held, not a matrix of 16 MB"
    kept = checkpoint.load(tmp_path / "checkpoint.h5").tree["matrices"]
    np.testing.assert_array_equal(kept["input"], algorithm.matrices["input"][:, :2000])
    again = Word2Vec(recipe, Context(open_backend(), Streams(2), Team(1, 1)))
    again.read_data()
    again.build()
    state = checkpoint.load(tmp_path / "checkpoint.h5").tree
    assert peak_of(lambda: again.load(state)) < 0.1 * matrix
    for name, rows in algorithm.matrices.items():
        np.testing.assert_array_equal(again.matrices[name], rows)


class _Nowhere(io.RawIOBase):
    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        return len(data)  # type: ignore[arg-type]
