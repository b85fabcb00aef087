"""What a report shows of a network on rows held out: what it confuses, or how far its numbers are off."""

from collections.abc import Iterator

import numpy as np

from dlkit.algorithms.asked import AskedNetwork, softmax
from dlkit.algorithms.cnn_looks import worst_images
from dlkit.algorithms.mistakes import Mistakes
from dlkit.algorithms.objectives import Classes
from dlkit.algorithms.rows import Rows
from dlkit.pictures import figures
from dlkit.pictures.exhibits import Drawn, Made, Sheet, confusion_sheet
from dlkit.pictures.scatter import against

MOST_CLASSES = 40
"""Classes up to which the whole matrix is shown; beyond it what is confused most often."""
MOST_PAIRS = 20
MOST_ROWS = 20_000
"""Rows held out that are asked."""


def exhibits(network: AskedNetwork) -> Iterator[Made | str]:
    """Of the test rows, or the validation rows where there are none; nothing where there are neither."""
    if network.recipe.data.train == "-":
        yield "the run learnt from standard input: there are no rows to judge it by"
        return
    network.read_data()
    held = network.data.test or network.data.valid
    if held is None:
        yield "the recipe holds no rows out: there is nothing to judge it by"
        return
    if len(held) > MOST_ROWS:
        yield f"of {len(held):,} rows held out the first {MOST_ROWS:,} are judged"
        held = held.take(slice(0, MOST_ROWS))
    rows = network._rows(held)
    what = "test rows" if network.data.test else "validation rows"
    shown = _of_classes if isinstance(network.objective, Classes) else _of_numbers
    yield from shown(network, rows, what)


def _of_classes(network: AskedNetwork, rows: Rows, what: str) -> Iterator[Made | str]:
    p = softmax(network.outputs(rows)[0])
    mistakes, classes = Mistakes(p, network.context.backend.to_host(rows.y)), network.schema.classes
    if len(classes) <= MOST_CLASSES:
        yield confusion_sheet(classes, mistakes.matrix.tolist(), what)
    if not len(mistakes.wrong):
        return
    if len(classes) > MOST_CLASSES:
        told = f"Which of {len(classes)} classes are taken for which most often; {what}."
        found = [(classes[i], classes[j], count) for i, j, count in mistakes.pairs(MOST_PAIRS)]
        yield Sheet("What is confused", told, ("label", "answer", what), found)
    if len(network.schema.input_shape) == 3:
        said, picture = worst_images(network, rows, mistakes)
        first = "; ".join(said[:10])
        told = f"Images that are answered wrongly, the surest mistake first, as label > answer: {first}."
        yield Drawn("Mistakes", told, picture)


def _of_numbers(network: AskedNetwork, rows: Rows, what: str) -> Iterator[Made | str]:
    if not figures.available():
        yield 'a picture of the answers needs matplotlib: pip install "dlkit[report]"'
        return
    found, wanted = network._moments(rows, 1)[0][0], network._targets(rows)
    for k, name in enumerate(network.schema.targets):
        error = float(np.sqrt(np.mean((found[:, k] - wanted[:, k]) ** 2)))
        told = (
            f"A dot for each of {len(found):,} {what}: answers far from the line are wrong. RMSE {error:.4g}."
        )
        title = "Answers and targets" + (f": {name}" if len(network.schema.targets) > 1 else "")
        yield Drawn(title, told, against(wanted[:, k], found[:, k], axes=(name, f"{name}, answered")))
