"""A file of word vectors where a verb expects a run: it is asked as a run of word2vec would be."""

from pathlib import Path
from typing import Any


def names_vectors(path: Path) -> bool:
    """Whether it is a file in word2vec's text or binary format, and no checkpoint. Raises DataError."""
    if not path.is_file() or path.suffix == ".h5":
        return False
    from dlkit.readers.word_vectors import looks_like_vectors

    return looks_like_vectors(path)


def open_vectors(path: Path) -> Any:
    """The vectors, ready to be asked. Raises DataError with the place of what is wrong in the file."""
    from dlkit.algorithms.protocol import Context
    from dlkit.algorithms.word2vec import Word2Vec
    from dlkit.backend import open_backend
    from dlkit.backend.streams import Streams
    from dlkit.backend.threads import Team

    return Word2Vec.of_file(path, Context(open_backend("cpu"), Streams(1), Team(1, 1)))
