"""Row cost: step time over batch and over width, as a picture in logarithmic scales and as CSV."""

from benchmarks.mlp import Sizes, arguments
from benchmarks.options import Options, Section
from benchmarks.pairs import Contender
from benchmarks.sweep import OURS, PEER, Sweep, section

BATCHES = (1, 4, 16, 64, 256, 1024, 4096)
WIDTHS = (64, 128, 256, 512, 1024, 2048, 4096)


def _contenders(options: Options, sizes: Sizes) -> list[Contender]:
    given = arguments(sizes, options.threads, "--quick")
    return [
        options.ours(OURS, "benchmarks.train_mlp_dlkit", *given),
        options.peer(PEER, "benchmarks.train_mlp_torch", *given),
    ]


SWEEP = Sweep(
    name="train-mlp-cost",
    fields=("batch", "width"),
    axes={"batch": f"batch (width {Sizes.width})", "width": f"width (batch {Sizes.batch})"},
    sizes={
        "batch": [Sizes(batch=batch) for batch in BATCHES],
        "width": [Sizes(width=width) for width in WIDTHS],
    },
    contenders=_contenders,
)


def measure(options: Options) -> Section:
    """Every size of the sweep."""
    text = (
        f"784-width-width-10, Adam, {options.threads} threads; batch varies at width {Sizes.width}, "
        f"width at batch {Sizes.batch}."
    )
    return section(SWEEP, options, "train-mlp, cost against work", text)
