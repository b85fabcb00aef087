"""Row train-mlp: one training step of 784-512-512-10, batch 128, Adam, against PyTorch on the CPU."""

from collections.abc import Mapping
from typing import Any

from benchmarks.mlp import Sizes, arguments, product_flop
from benchmarks.options import Options, Section, heard, sgemm, versions
from benchmarks.pairs import alternate
from benchmarks.results import seconds_text, table
from benchmarks.steps import step_table, verdict

OURS, PEER, FUSED = "dlkit", "PyTorch", "PyTorch, fused Adam"
BAR, AIM = 1.5, 2.0


def measure(options: Options) -> Section:
    """Alternate the contenders, measure sgemm on the step's own shapes, and put them side by side."""
    sizes = Sizes()
    given = arguments(sizes, options.threads)
    contenders = [
        options.ours(OURS, "benchmarks.train_mlp_dlkit", *given),
        options.peer(PEER, "benchmarks.train_mlp_torch", *given),
        options.peer(FUSED, "benchmarks.train_mlp_torch", *given, "--fused"),
    ]
    rates = {threads: sgemm(options, threads=threads) for threads in sorted({1, options.threads})}
    shapes = list(dict.fromkeys(sizes.products))
    own = {threads: sgemm(options, shapes, threads) for threads in rates}
    rounds = alternate(contenders, options.rounds, heard=heard)
    body = "\n\n".join(
        [
            f"{'-'.join(map(str, sizes.layers))}, batch {sizes.batch}, Adam, float32, one training step, "
            f"{options.threads} threads on each side, {sizes.flop / 1e6:,.0f} MFLOP in matrix products.",
            step_table(rounds, sizes, rates[options.threads]["peak"], unit="examples/s"),
            verdict(rounds, OURS, PEER, FUSED, bar=BAR, aim=AIM),
            _products(sizes, own, rates),
        ]
    )
    return Section("train-mlp, one step", body, versions(*rounds[-1]))


def _products(
    sizes: Sizes, own: Mapping[int, Mapping[str, Any]], rates: Mapping[int, Mapping[str, Any]]
) -> str:
    """sgemm on the step's shapes: what its products alone would take, whoever calls them."""
    threads = list(own)
    rows = [
        [shape, *(f"{measured[n]['rates'][shape]:.0f}" for n in threads)]
        for measured, shapes in (
            (own, list(dict.fromkeys(sizes.products))),
            (rates, list(rates[threads[0]]["rates"])),
        )
        for shape in shapes
    ]
    floors = ", ".join(
        f"{seconds_text(sum(product_flop(s) / own[n]['rates'][s] / 1e9 for s in sizes.products))} on {n}"
        for n in threads
    )
    plural = [f"{n} thread{'s' if n > 1 else ''}, GFLOP/s" for n in threads]
    return (
        table(["sgemm, rows × inner × columns", *plural], rows)
        + f"\n\nThe step's matrix products alone, at these rates: {floors} threads."
    )
