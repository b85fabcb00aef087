"""The corpus of the bayes-nb row: 20 newsgroups where DLKIT_DATA has them, else drawn by Zipf's law."""

import os
import tarfile
from pathlib import Path

CLASSES, DOCUMENTS, WORDS = 20, 20_000, 360
"""Of the drawn corpus, which has the size of 20 newsgroups."""


def archive() -> Path | None:
    """The original 20 newsgroups, packed."""
    root = os.environ.get("DLKIT_DATA")
    found = sorted(Path(root, "newsgroups20").glob("*.tar.gz")) if root else []
    return found[0] if found else None


def write(folder: Path) -> tuple[Path, Path, str]:
    """The corpus as one file of lines label<TAB>text and as a folder for each class; and what it is."""
    packed = archive()
    documents = _unpacked(packed) if packed else _drawn()
    lines, whole = folder / "corpus.txt", folder / "corpus"
    with lines.open("wb") as out:
        for number, (label, text) in enumerate(documents):
            out.write(label.encode() + b"\t" + b" ".join(text.split()) + b"\n")
            target = whole / label / str(number)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(text)
    return lines, whole, "20 newsgroups" if packed else "drawn text of the size of 20 newsgroups"


def _unpacked(packed: Path):  # type: ignore[no-untyped-def]
    with tarfile.open(packed, "r:gz") as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            if file is not None:
                yield member.name.split("/")[-2], file.read()


def _drawn():  # type: ignore[no-untyped-def]
    import numpy as np

    rng = np.random.default_rng(1)
    words = [f"word{k}".encode() for k in range(200_000)]
    for number in range(DOCUMENTS):
        label = number % CLASSES
        chosen = (rng.zipf(1.3, WORDS) * (label + 1)) % len(words)
        yield f"group.{label}", b" ".join(words[k] for k in chosen)
