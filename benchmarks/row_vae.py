"""Row vae: one training step of a 784-400-20 variational autoencoder, batch 64, Adam, against PyTorch."""

from benchmarks.options import Options, Section, heard, sgemm, versions
from benchmarks.pairs import alternate
from benchmarks.steps import step_table, verdict
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
    body = "\n\n".join(
        [
            f"{sizes.pixels}-{sizes.width}-{sizes.latent}, batch {sizes.batch}, Bernoulli pixels, Adam, "
            f"float32, {options.threads} threads each, {sizes.flop / 1e6:,.0f} MFLOP in matrix products. "
            "dlkit's step is the command's own and gathers its batch from bytes; PyTorch's batch is ready.",
            step_table(rounds, sizes, peak),
            verdict(rounds, OURS, PEER, FUSED, bar=BAR, aim=AIM),
        ]
    )
    return Section("vae, one step", body, versions(*rounds[-1]))
