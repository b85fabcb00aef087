"""Row train-cnn: LeNet's training step, batch 64, Adam, and its forward pass, against PyTorch on the CPU."""

from benchmarks.cnn import Sizes, arguments
from benchmarks.mlp import product_flop
from benchmarks.options import Options, Section, heard, sgemm, versions
from benchmarks.pairs import Run, alternate, speed_ratio
from benchmarks.results import seconds_text, table
from benchmarks.steps import step_table, verdict

OURS, PEER, FUSED = "dlkit", "PyTorch", "PyTorch, channels last, fused Adam"
BAR, AIM = 1.3, 2.0


def measure(options: Options) -> Section:
    """Alternate the contenders on a step and on predictions, with sgemm on the step's own shapes beside."""
    sizes = Sizes()
    peak = float(sgemm(options)["peak"])
    own = sgemm(options, list(dict.fromkeys(sizes.products)), 1)["rates"]
    steps = _rounds(options, sizes)
    forward = _rounds(options, sizes, "--forward")
    body = "\n\n".join(
        [
            f"LeNet (5×5 same {sizes.filters}, pool, 5×5 valid {sizes.second}, pool, {sizes.units}, "
            f"{sizes.classes}) on {sizes.side}×{sizes.side}×{sizes.channels}, batch {sizes.batch}, Adam, "
            f"float32, {options.threads} threads on each side, {sizes.flop / 1e6:,.0f} MFLOP in a step's "
            f"products, {sizes.forward_flop / 1e6:,.0f} in a forward pass's.",
            step_table(steps, sizes, peak),
            verdict(steps, OURS, PEER, FUSED, bar=BAR, aim=AIM),
            step_table(forward, sizes, peak, what="a forward pass", flop=sizes.forward_flop),
            f"- against {PEER}: {speed_ratio(forward, OURS, PEER, 'seconds')}",
            _limit(sizes, own, options.threads),
        ]
    )
    return Section("train-cnn, one step", body, versions(*steps[-1]))


def _rounds(options: Options, sizes: Sizes, *more: str) -> list[list[Run]]:
    given = arguments(sizes, options.threads, *more)
    contenders = [
        options.ours(OURS, "benchmarks.train_cnn_dlkit", *given),
        options.peer(PEER, "benchmarks.train_cnn_torch", *given),
        options.peer(FUSED, "benchmarks.train_cnn_torch", *given, "--fused", "--channels-last"),
    ]
    return alternate(contenders, options.rounds, heard=heard)


def _limit(sizes: Sizes, rates: dict[str, float], threads: int) -> str:
    """What the step's products alone would take at sgemm's rates for their shapes."""
    shapes = table(
        ["sgemm, rows × inner × columns", "1 thread, GFLOP/s"],
        [[shape, f"{rates[shape]:.0f}"] for shape in dict.fromkeys(sizes.products)],
    )
    seconds = sum(product_flop(shape) / rates[shape] / 1e9 for shape in sizes.products)
    return (
        f"{shapes}\n\nThe step's products alone, at these rates: {seconds_text(seconds)} on 1 thread, "
        f"{seconds_text(seconds / threads)} shared out evenly to {threads}."
    )
