"""Pictures of a network of convolutions: its filters, what they answer to one image, what it confuses."""

import csv
import io
import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlkit.algorithms.asked import AskedNetwork, softmax
from dlkit.algorithms.mistakes import Mistakes
from dlkit.algorithms.objectives import Classes
from dlkit.algorithms.protocol import File
from dlkit.algorithms.rows import Rows
from dlkit.errors import DataError, UsageError
from dlkit.nn.conv_layers import Conv, ConvTranspose
from dlkit.nn.layers import Sequential
from dlkit.pictures.captions import captioned
from dlkit.pictures.exhibits import Drawn
from dlkit.pictures.tiles import as_bytes, png, tiled
from dlkit.readers.dataset import regrouped
from dlkit.readers.opening import STDIN

MOST_SHOWN = 64
"""Filters of a layer, and channels of a filter, in one picture."""
MOST_WORST = 36
MOST_LAYERS = 6
"""Layers whose filters a report shows."""
MOST_COLUMNS = 20
"""Classes up to which the matrix of confusion is shown on the terminal."""
MOST_PAIRS = 10


def look(network: AskedNetwork, options: Mapping[str, Any]) -> Iterator[File | str]:
    """What the options of `dlkit inspect` ask for. Raises UsageError where they do not go together."""
    if options.get("row") is not None and not options.get("features"):
        raise UsageError("the row of a data file for --features", where="--row")
    if options.get("data") and not options.get("confusion"):
        raise UsageError("labelled rows for --confusion", where="--data")
    if options.get("filters"):
        yield from filters(network)
    if options.get("features"):
        yield from features(network, options["features"], options.get("row"))
    if options.get("confusion"):
        yield from confusion(network, options.get("data"))


# -- filters -----------------------------------------------------------------------------------------------
def filters(network: AskedNetwork) -> Iterator[File | str]:
    """A picture of each convolution's kernels: grey is 0, white and black the filter's largest weight."""
    for path, module in network.model.walk():
        if isinstance(module, Conv | ConvTranspose):
            weights = np.array(network.context.backend.to_host(module.weight.data))
            shown = weights[:, :, :MOST_SHOWN, :MOST_SHOWN]
            if shown.size < weights.size:
                kh, kw, c, f = weights.shape
                yield f"{path}: {kh}×{kw}×{c}×{f} weights; the first {MOST_SHOWN} of each are shown"
            yield File(f"filters/{path}.png", png(filter_page(shown.transpose(3, 2, 0, 1))))


def exhibits_of_filters(network: AskedNetwork) -> Iterator[Drawn | str]:
    """The same pictures for a report, of the first layers."""
    pictures = [piece for piece in filters(network) if isinstance(piece, File)]
    if len(pictures) > MOST_LAYERS:
        yield (f"filters of {MOST_LAYERS} of {len(pictures)} layers; inspect --filters has all")
    for piece in pictures[:MOST_LAYERS]:
        assert isinstance(piece.content, bytes)
        layer = Path(piece.name).stem
        told = f"The weights of layer {layer}: grey is 0, white and black the filter's largest weight."
        yield Drawn(f"Filters of {layer}", told, piece.content)


def filter_page(weights: np.ndarray) -> np.ndarray:
    """(filters, channels, kh, kw) as a picture: a tile a filter where it sees grey or three colours, else a
    row a filter with a tile for each channel.
    """
    f, c, kh, kw = weights.shape
    largest = np.abs(weights).max(axis=(1, 2, 3), keepdims=True)
    pixels = as_bytes(weights / np.where(largest > 0, largest, 1), -1, 1)
    if kh * kw == 1:  # a matrix of weights: one picture, a row a filter
        return tiled(pixels.reshape(1, f, c, 1), 1, zoom=max(256 // max(f, c), 1))
    if c in (1, 3):
        images, columns = pixels.transpose(0, 2, 3, 1), math.ceil(math.sqrt(f))
    else:
        images, columns = pixels.reshape(f * c, kh, kw, 1), c
    side, gap = (48, 4) if len(images) <= 256 else (16, 2)
    return tiled(images, columns, gap=gap, zoom=max(side // max(kh, kw), 1))


# -- features ----------------------------------------------------------------------------------------------
def features(network: AskedNetwork, source: str, row: int | None) -> Iterator[File | str]:
    """A picture of each layer's feature maps for one image, dark to bright over the range of the layer."""
    rows = one_row(network, source, row or 0)
    tape = network._tapes[0]
    tape.begin(training=False)
    index = network.context.backend.asarray(np.zeros(1, np.int64))
    f = network._input(tape, rows, index)
    assert isinstance(network.model, Sequential)
    for layer in network.model.layers.values():  # one by one: together some would leave no maps behind
        f = layer(tape, f)
    to_host = network.context.backend.to_host
    folder = "standard-input" if source == STDIN else Path(source).stem
    folder = f"features/{folder}" if row is None else f"features/{folder}-{row}"
    yield File(f"{folder}/input.png", png(tiled(images_of(network, rows)[:1], 1)))
    seen: list[Any] = []
    for path, array in tape.notes:
        if path in ("", "input") or array.ndim != 4 or any(array is one for one in seen):
            continue
        seen.append(array)
        yield File(f"{folder}/{path}.png", png(map_page(np.array(to_host(array))[0])))
    yield from _told(network, np.array(to_host(f.data)))


def one_row(network: AskedNetwork, source: str, row: int) -> Rows:
    """One row of a data file, or an image. Raises DataError where there are not so many rows."""
    first = 0
    for chunk in network._read(source, need_label=False):
        if row < first + len(chunk):
            return network._rows(chunk.take(slice(row - first, row - first + 1)))
        first += len(chunk)
    raise DataError(f"there is no row {row}: the rows go from 0 to {first - 1}", where=source)


def map_page(maps: np.ndarray) -> np.ndarray:
    """(h, w, channels) as a picture with a tile a channel."""
    images = as_bytes(maps.transpose(2, 0, 1)[..., None], float(maps.min()), float(maps.max()))
    return tiled(images, math.ceil(math.sqrt(len(images))))


def _told(network: AskedNetwork, f: np.ndarray) -> Iterator[str]:
    if not isinstance(network.objective, Classes):
        return
    p = softmax(f)[0]
    best = np.argsort(-p, kind="stable")[:3]
    yield "   ".join(f"{network.schema.classes[k]} {p[k]:.4f}" for k in best.tolist())


# -- confusion ---------------------------------------------------------------------------------------------
def confusion(network: AskedNetwork, source: str | None) -> Iterator[File | str]:
    """The matrix of labels and answers, all mistakes as CSV, and the most confident of them as a picture."""
    if not isinstance(network.objective, Classes):
        raise UsageError("there are no classes to confuse: this is a regression", where="--confusion")
    rows = _labelled(network, source)
    p = softmax(network.outputs(rows)[0])
    y, classes = network.context.backend.to_host(rows.y), network.schema.classes
    mistakes = Mistakes(p, y)
    matrix, answer, wrong = mistakes.matrix, mistakes.answer, mistakes.wrong
    yield f"accuracy {1 - len(wrong) / len(y):.4f}: {len(wrong):,} of {len(y):,} rows are wrong"
    if len(classes) <= MOST_COLUMNS:
        yield from matrix_lines(matrix, classes)
    if found := mistakes.pairs(MOST_PAIRS):
        text = ", ".join(f"{classes[i]} as {classes[j]} ({count})" for i, j, count in found)
        yield f"most often: {text}"
    yield File("confusion/confusion.csv", _csv(["label", *classes], _matrix_rows(matrix, classes)))
    names = (rows.place(k) for k in wrong.tolist())
    table = [
        [name, classes[y[k]], classes[answer[k]], f"{p[k, answer[k]]:.6g}", f"{p[k, y[k]]:.6g}"]
        for name, k in zip(names, wrong.tolist(), strict=True)
    ]
    yield File("confusion/mistakes.csv", _csv(["row", "label", "answer", "p_answer", "p_label"], table))
    if len(wrong):
        yield File("confusion/worst.png", worst_images(network, rows, mistakes)[1])


def worst_images(network: AskedNetwork, rows: Rows, mistakes: Mistakes) -> tuple[list[str], bytes]:
    """The surest mistakes: `label > answer` of each, and a PNG of the images with that below."""
    worst, classes = mistakes.wrong[:MOST_WORST], network.schema.classes
    y = network.context.backend.to_host(rows.y)
    told = [f"{classes[y[k]]} > {classes[mistakes.answer[k]]}" for k in worst.tolist()]
    return told, png(captioned(images_of(network, rows, worst), told, 6))


def _labelled(network: AskedNetwork, source: str | None) -> Rows:
    if source is not None:
        chunks = network._read(source, need_label=True)
        (whole,) = regrouped(chunks, 1 << 62)
        network._tell(chunks)
        return network._rows(whole)
    if network.recipe.data.train == STDIN:
        raise UsageError("the run learnt from standard input; name labelled rows: --data FILE")
    network.read_data()
    held = network.data.test or network.data.valid
    if held is None:
        raise UsageError("the recipe has no test or validation rows; name labelled ones: --data FILE")
    return network._rows(held)


def matrix_lines(matrix: np.ndarray, classes: Sequence[str]) -> Iterator[str]:
    """The matrix as aligned text, a row a label, a column an answer; a point for none."""
    cells = [["", *classes]]
    for name, row in zip(classes, matrix.tolist(), strict=True):
        cells.append([name, *(str(count) if count else "." for count in row)])
    widths = [max(_width(line[k]) for line in cells) for k in range(len(cells[0]))]
    for line in cells:
        yield "  ".join(" " * (w - _width(text)) + text for text, w in zip(line, widths, strict=True))


def _width(text: str) -> int:
    """Columns that a text takes on a terminal."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _matrix_rows(matrix: np.ndarray, classes: Sequence[str]) -> Iterator[list[Any]]:
    for name, row in zip(classes, matrix.tolist(), strict=True):
        yield [name, *row]


def _csv(header: Sequence[str], rows: Any) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


# -- rows as pictures ----------------------------------------------------------------------------------------
def images_of(network: AskedNetwork, rows: Rows, which: np.ndarray | None = None) -> np.ndarray:
    """(n, h, w, 1 or 3) uint8: images as read; what is no bytes from its smallest to its largest."""
    x = rows.x if rows.on_host else network.context.backend.to_host(rows.x)
    x = np.array(x if which is None else x[which]).reshape(-1, *network.schema.input_shape)
    if x.shape[3] not in (1, 3):
        x = x[..., :1]
    return x if x.dtype == np.uint8 else as_bytes(x, float(x.min()), float(x.max()))
