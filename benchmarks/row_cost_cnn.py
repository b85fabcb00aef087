"""Row cost-cnn: LeNet's step time over batch, filters and image size, as a picture and as CSV."""

from dataclasses import replace

from benchmarks.cnn import FIELDS, Sizes, arguments
from benchmarks.options import Options, Section
from benchmarks.pairs import Contender
from benchmarks.sweep import OURS, PEER, Sweep, section

VALUES = {
    "batch": (1, 4, 16, 64, 256, 1024),
    "filters": (4, 8, 20, 40, 80, 160),
    "side": (16, 28, 40, 56, 80, 112),
}


def _contenders(options: Options, sizes: Sizes) -> list[Contender]:
    given = arguments(sizes, options.threads, "--quick")
    return [
        options.ours(OURS, "benchmarks.train_cnn_dlkit", *given),
        options.peer(PEER, "benchmarks.train_cnn_torch", *given),
    ]


SWEEP = Sweep(
    name="train-cnn-cost",
    fields=FIELDS,
    axes={
        "batch": "images in a batch",
        "filters": "filters of the first convolution",
        "side": "pixels a side",
    },
    sizes={
        varied: [replace(Sizes(), **{varied: value}) for value in values] for varied, values in VALUES.items()
    },
    contenders=_contenders,
)


def measure(options: Options) -> Section:
    """Every size of the sweep."""
    usual = Sizes()
    text = (
        f"LeNet's step, Adam, {options.threads} threads; what does not vary is batch {usual.batch}, "
        f"{usual.filters} and {usual.second} filters, {usual.side}×{usual.side}."
    )
    return section(SWEEP, options, "train-cnn, cost against work", text)
