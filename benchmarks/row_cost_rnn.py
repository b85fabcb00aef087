"""Row cost-rnn: a step of the character LSTM over length, batch and vocabulary, as a picture and as CSV."""

from benchmarks.options import Options, Section
from benchmarks.pairs import Contender
from benchmarks.rnn import Sizes, arguments
from benchmarks.sweep import OURS, PEER, Sweep, section

UNITS = 256


def _contenders(options: Options, sizes: Sizes) -> list[Contender]:
    given = arguments(sizes, options.threads)
    return [
        options.ours(OURS, "benchmarks.rnn_dlkit", *given),
        options.peer(PEER, "benchmarks.rnn_torch", *given),
    ]


SWEEP = Sweep(
    name="rnn-cost",
    fields=("steps", "batch", "symbols"),
    axes={
        "steps": f"length (batch {Sizes.batch})",
        "batch": f"batch (length {Sizes.steps})",
        "symbols": "vocabulary (batch 64, length 64)",
    },
    sizes={
        "steps": [Sizes(units=UNITS, steps=steps) for steps in (1, 4, 16, 64, 256)],
        "batch": [Sizes(units=UNITS, batch=batch) for batch in (1, 4, 16, 64, 256)],
        "symbols": [Sizes(units=UNITS, symbols=symbols) for symbols in (96, 1000, 4000, 16000)],
    },
    contenders=_contenders,
)


def measure(options: Options) -> Section:
    """Every size of the sweep."""
    text = (
        f"LSTM of {UNITS} units, embedding {Sizes.embedding}, Adam, {options.threads} threads. Symbols a "
        "second are batch times length over the step's time. With more symbols than a step reads dlkit "
        "updates the embeddings of those that it reads alone; the output layer is a full softmax for both."
    )
    return section(SWEEP, options, "rnn, cost against work", text)
