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


BARS, SIDE = 300, 5
"""Documents of docword.bars.txt, and rows and columns of its square of words."""


def bars(folder: Path) -> None:
    """Planted topics (Griffiths & Steyvers 2004): 25 words in a square; a topic is a row or column of it.

    300 documents of 80 words; their topics are drawn from Dirichlet(0.3 for each of the 10).
    """
    rng = np.random.Generator(np.random.PCG64DXSM(2))
    square = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    topics = [*square, *square.T]
    lines = []
    for document in range(1, BARS + 1):
        shares = rng.dirichlet(np.full(len(topics), 0.3))
        chosen = rng.choice(len(topics), 80, p=shares)
        words = np.array([topics[k][i] for k, i in zip(chosen, rng.integers(0, SIDE, 80), strict=True)])
        found, counts = np.unique(words, return_counts=True)
        lines += [f"{document} {w + 1} {c}" for w, c in zip(found.tolist(), counts.tolist(), strict=True)]
    header = [str(BARS), str(SIDE * SIDE), str(len(lines))]
    text(folder / "docword.bars.txt", [*header, *lines])
    names = [f"row{r}column{c}" for r in range(1, SIDE + 1) for c in range(1, SIDE + 1)]
    text(folder / "vocab.bars.txt", names)


GENRES = ("推理小説", "時代小説", "恋愛小説", "科学小説", "料理の本", "山の本")
TITLES, BEST_SELLERS, READERS = 30, 12, 400


def books(folder: Path) -> None:
    """Reading histories: a reader a line, titles between tabs. Six genres of 30 titles, 12 best-sellers.

    A reader has one genre, or two; of 16 to 30 books about half are best-sellers, which every kind of
    reader reads; the others are of his genres, few titles of each being read often.
    """
    rng = np.random.Generator(np.random.PCG64DXSM(3))
    often = 1 / np.arange(1, TITLES + 1) ** 0.7
    famous = 1 / np.arange(1, BEST_SELLERS + 1) ** 0.3
    lines = []
    for _ in range(READERS):
        own = rng.choice(len(GENRES), rng.integers(1, 3), replace=False)
        size = int(rng.integers(16, 31))
        best = rng.choice(BEST_SELLERS, min(size // 2, BEST_SELLERS), replace=False, p=famous / famous.sum())
        read = [f"ベストセラー その{b + 1}" for b in best.tolist()]
        for genre in own.tolist():
            wanted = min((size - len(best)) // len(own), TITLES)
            chosen = rng.choice(TITLES, wanted, replace=False, p=often / often.sum())
            read += [f"{GENRES[genre]} その{t + 1}" for t in chosen.tolist()]
        lines.append("\t".join(read[i] for i in rng.permutation(len(read)).tolist()))
    text(folder / "reading-histories.tsv", lines)


PAIRS, LONGEST = 12_000, 8
"""Lines of reversed-digits.tsv, and most digits of a number."""


def reversed_digits(folder: Path) -> None:
    """Numbers of one to eight digits and, after a tab, the same digits from the last to the first."""
    rng = np.random.Generator(np.random.PCG64DXSM(4))
    lines = []
    for length in rng.integers(1, LONGEST + 1, PAIRS).tolist():
        number = "".join(map(str, rng.integers(0, 10, length).tolist()))
        lines.append(f"{number}\t{number[::-1]}")
    text(folder / "reversed-digits.tsv", lines)


COMPLETIONS = {
    "apple": 600, "application": 450, "apply": 225, "append": 150, "appear": 75,
    "the dog eats dog-food": 300, "the dog eats my-homework": 200,
}  # fmt: skip
"""Lines of completions.txt, and how often each stands there."""


def completions(folder: Path) -> None:
    """2,000 lines in a drawn order, with known shares: what follows "app", and what the dog eats."""
    rng = np.random.Generator(np.random.PCG64DXSM(5))
    lines = [line for line, times in COMPLETIONS.items() for _ in range(times)]
    text(folder / "completions.txt", [lines[k] for k in rng.permutation(len(lines)).tolist()])


def text(path: Path, lines: list[str]) -> None:
    """Write lines with LF ends."""
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


DOG = """\
立っている・お手! お手 立っている・お手! 1 -0.1
立っている・お手! お座り 座っている・お手! 0.9 0
立っている・お手! お座り 立っている・お手! 0.1 0
立っている・お手! 伏せ 伏せている・お手! 1 -0.5
立っている・お手! 何もしない 立っている・お手! 1 -0.1
立っている・お座り! お手 立っている・お座り! 1 -0.1
立っている・お座り! お座り おやつ 0.9 1
立っている・お座り! お座り 立っている・お座り! 0.1 0
立っている・お座り! 伏せ 伏せている・お座り! 1 -0.5
立っている・お座り! 何もしない 立っている・お座り! 1 -0.1
座っている・お手! お手 おやつ 0.8 1
座っている・お手! お手 座っている・お手! 0.2 0
座っている・お手! お座り 座っている・お手! 1 -0.1
座っている・お手! 伏せ 伏せている・お手! 1 -0.5
座っている・お手! 何もしない 座っている・お手! 1 -0.1
座っている・お座り! お手 座っている・お座り! 1 -0.5
座っている・お座り! お座り おやつ 1 1
座っている・お座り! 伏せ 伏せている・お座り! 1 -0.5
座っている・お座り! 何もしない 座っている・お座り! 1 -0.1
伏せている・お手! お手 伏せている・お手! 1 -0.5
伏せている・お手! お座り 座っている・お手! 0.9 0
伏せている・お手! お座り 伏せている・お手! 0.1 0
伏せている・お手! 伏せ 伏せている・お手! 1 -0.5
伏せている・お手! 何もしない 伏せている・お手! 1 -0.1
伏せている・お座り! お手 伏せている・お座り! 1 -0.5
伏せている・お座り! お座り おやつ 0.9 1
伏せている・お座り! お座り 伏せている・お座り! 0.1 0
伏せている・お座り! 伏せ 伏せている・お座り! 1 -0.5
伏せている・お座り! 何もしない 伏せている・お座り! 1 -0.1"""


def dog_trick(folder: Path) -> None:
    """What follows from what a dog does, by its posture and by what its owner calls."""
    header = ["state", "action", "next", "probability", "reward"]
    write(folder / "dog-trick.csv", header, [line.split() for line in DOG.splitlines()])


def arms(folder: Path) -> None:
    """Ten arms that pay 1 with these probabilities, else nothing."""
    means = [*(f"{k / 100:.2f}" for k in range(10, 55, 5)), "0.60"]
    rows = [[name, mean] for name, mean in zip("ABCDEFGHIJ", means, strict=True)]
    write(folder / "arms.csv", ["arm", "mean"], rows)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    target.mkdir(parents=True, exist_ok=True)
    makers = (
        digits,
        diabetes,
        sine,
        golf,
        spam_table,
        arms,
        bars,
        books,
        reversed_digits,
        completions,
        dog_trick,
    )
    for make in makers:
        make(target)
