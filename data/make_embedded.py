"""Make the files in this folder again: ``python data/make_embedded.py [FOLDER]`` (needs scikit-learn).

Same versions, same bytes. The origin and licence of each table stand in README.md.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from sklearn import datasets

GOLF = """\
sunny hot high false no
sunny hot high true no
overcast hot high false yes
rainy mild high false yes
rainy cool normal false yes
rainy cool normal true no
overcast cool normal true yes
sunny mild high false no
sunny cool normal false yes
rainy mild normal false yes
sunny mild normal true yes
overcast mild high true yes
overcast hot normal false yes
rainy mild high true no"""


def write(path: Path, header: list[str], rows: list[list[str]]) -> None:
    """Write a CSV file with LF line ends."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


SPAM = {"spam": (30, (7, 17, 0)), "ham": (100, (1, 1, 7))}
"""Messages of each class, and those of them that hold each of SPAM_WORDS."""
SPAM_WORDS = ["viagra", "limited", "machine_learning"]


def digits(folder: Path) -> None:
    """1,797 images of 8×8 pixels from 0 to 16, and the digit."""
    data = datasets.load_digits()
    header = [f"pixel_{row}_{column}" for row in range(8) for column in range(8)]
    table = np.column_stack([data.data, data.target]).astype(int)
    write(folder / "digits.csv", [*header, "label"], table.astype(str).tolist())


def diabetes(folder: Path) -> None:
    """442 patients in the units of measurement; target: progression of the disease after a year."""
    data = datasets.load_diabetes(scaled=False)
    table = np.column_stack([data.data, data.target])
    rows = [[f"{value:.6g}" for value in row] for row in table]
    write(folder / "diabetes.csv", [*data.feature_names, "progression"], rows)


def sine(folder: Path) -> None:
    """100 points of y = x + sin 5x + noise (sd 0.1) for x in [-1, -0.2] and [0.2, 1]: a gap between."""
    rng = np.random.Generator(np.random.PCG64DXSM(1))
    x = np.sort(rng.uniform(0.2, 1.0, 100) * np.where(np.arange(100) % 2, 1.0, -1.0))
    y = x + np.sin(5 * x) + rng.normal(0, 0.1, 100)
    write(folder / "sine.csv", ["x", "y"], [[f"{a:.6f}", f"{b:.6f}"] for a, b in zip(x, y, strict=True)])


def spam_table(folder: Path) -> None:
    """130 messages, three words there (1) or not (0), with the published counts; none has two of them."""
    rows = []
    for label, (messages, counts) in SPAM.items():
        cells = np.zeros((messages, len(counts)), int)
        start = 0
        for word, count in enumerate(counts):
            cells[start : start + count, word] = 1
            start += count
        rows += [[*map(str, row), label] for row in cells.tolist()]
    write(folder / "spam-table.csv", [*SPAM_WORDS, "label"], rows)


def golf(folder: Path) -> None:
    """14 days: is it weather for golf?"""
    rows = [line.split() for line in GOLF.splitlines()]
    write(folder / "golf.csv", ["outlook", "temperature", "humidity", "windy", "play"], rows)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    target.mkdir(parents=True, exist_ok=True)
    for make in (digits, diabetes, sine, golf, spam_table):
        make(target)
