"""Row vae: one training step of a 784-400-20 variational autoencoder, batch 64, Adam, against PyTorch."""

from benchmarks.options import Options, Section, heard, sgemm, versions
from benchmarks.pairs import alternate, median_of, speed_ratio
from benchmarks.results import bytes_text, seconds_text, table
from benchmarks.vae import Sizes, arguments

OURS, PEER, FUSED = "dlkit", "PyTorch", "PyTorch, fused Adam"
BAR, AIM = 1.5, 2.5


def measure(options: Options) -> Section:
    """Alternate the contenders, and tell how much of the machine's sgemm each reaches."""
    sizes = Sizes()
    given = arguments(sizes, options.threads)
    contenders = [
        options.ours(OURS, "benchmarks.vae_dlkit", *given),
        options.peer(PEER, "benchmarks.vae_torch", *given),
        options.peer(FUSED, "benchmarks.vae_torch", *given, "--fused"),
    ]
    peak = sgemm(options, threads=options.threads)["peak"]
    rounds = alternate(contenders, options.rounds, heard=heard)
    rows = []
    for name in (run.name for run in rounds[0]):
        seconds = median_of(rounds, name, "seconds")
        rate = sizes.flop / seconds / 1e9
        memory = bytes_text(median_of(rounds, name, "peak_bytes"))
        rows.append(
            [
                name,
                seconds_text(seconds),
                f"{sizes.batch / seconds:,.0f}",
                f"{rate:.0f}",
                f"{100 * rate / peak:.0f} %",
                memory,
            ]
        )
    header = ["", "a step (median)", "images/s", "GFLOP/s", f"of sgemm's {peak:.0f} GFLOP/s", "peak memory"]
    body = "\n\n".join(
        [
            f"{sizes.pixels}-{sizes.width}-{sizes.latent}, batch {sizes.batch}, Bernoulli pixels, Adam, "
            f"float32, {options.threads} threads each, {sizes.flop / 1e6:,.0f} MFLOP in matrix products. "
            "dlkit's step is the command's own and gathers its batch from bytes; PyTorch's batch is ready.",
            table(header, rows),
            f"- against {PEER}: {speed_ratio(rounds, OURS, PEER, 'seconds')}; bar {BAR}×, aim {AIM}×\n"
            f"- against {FUSED}: {speed_ratio(rounds, OURS, FUSED, 'seconds')}",
        ]
    )
    return Section("vae, one step", body, versions(*rounds[-1]))
