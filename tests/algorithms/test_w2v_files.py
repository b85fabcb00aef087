"""Files of a run's vectors: their bytes, and that they are made while they are written."""

import io
import tracemalloc
from collections.abc import Callable

import numpy as np

from dlkit.algorithms.w2v_asked import of_length_one
from dlkit.algorithms.w2v_files import written_files
from dlkit.algorithms.w2v_recipe import FilesSpec
from dlkit.readers.word_vectors import to_binary, to_text

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


class _Nowhere(io.RawIOBase):
    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        return len(data)  # type: ignore[arg-type]
