"""dlkit's side of the train-cnn rows: one step of LeNet made of its public pieces, without a command line."""

import platform

import numpy as np
from threadpoolctl import threadpool_info

from benchmarks.cnn import Sizes, parser, sizes_of
from benchmarks.measure import blocks, say, step_seconds
from dlkit.autograd import Tape
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import ProductTeam, Team, hold_blas_at_one_thread
from dlkit.nn.conv_layers import Conv
from dlkit.nn.image_layers import Flatten, Pool
from dlkit.nn.layers import Act, Dense, Sequential
from dlkit.nn.optimizers import AdamSpec, build
from dlkit.nn.parameter import Flat
from dlkit.nn.step import GradientStep, shard_rows
from dlkit.ops.losses import softmax_cross_entropy
from dlkit.ops.window import Window


def network(sizes: Sizes, unfold_memory: int | None) -> Sequential:
    """LeNet of these sizes, with the pooling of each convolution behind it."""
    relu, halves = Act("relu"), Window((2, 2), (2, 2))
    same, valid = Window((5, 5), pad="same"), Window((5, 5))
    first = Conv(sizes.channels, sizes.filters, same, relu, unfold_memory=unfold_memory)
    second = Conv(sizes.filters, sizes.second, valid, relu, unfold_memory=unfold_memory)
    dense = (Dense(sizes.flat, sizes.units, relu), Dense(sizes.units, sizes.classes))
    return Sequential(first, Pool("max_pool", halves), second, Pool("max_pool", halves), Flatten(), *dense)


def main() -> None:
    parse = parser(__doc__)
    parse.add_argument("--unfold-memory", type=int, help="bytes of unfolded images at a time")
    parse.add_argument("--split", choices=["batch", "products"], default="products", help="what is cut")
    asked = parse.parse_args()
    sizes = sizes_of(asked)
    hold_blas_at_one_thread()
    backend, streams = open_backend("cpu"), Streams(1)
    model = network(sizes, asked.unfold_memory)
    flat = Flat.allocate(model, backend, streams)
    draw = np.random.default_rng(1)
    x = draw.random((sizes.batch, sizes.side, sizes.side, sizes.channels), dtype=np.float32)
    y = draw.integers(0, sizes.classes, sizes.batch)
    team_of = ProductTeam if asked.split == "products" else Team
    with team_of(asked.threads, min(asked.threads, sizes.batch)) as team:
        shared = {"product": team.product, "share": team.share, "parts": team.parts}
        tapes = [Tape(backend, **shared) for _ in range(team.shards)]

        def predict(shard: int) -> None:
            tapes[shard].begin(training=False)
            rows = shard_rows(sizes.batch, team.shards, shard)
            model(tapes[shard], tapes[shard].constant(x[rows]))

        train = GradientStep(model, build(AdamSpec(), flat), backend, team, streams)

        def loss(tape, shard, rows):
            logits = model(tape, tape.constant(x[rows]))
            mean, *_ = softmax_cross_entropy(tape, logits, y[rows], 1 / sizes.batch)
            return mean, None

        def step() -> None:
            if asked.forward:
                team.map(predict)
            else:
                train(sizes.batch, loss, 1e-3, (1, 1))

        took = step_seconds(step, **blocks(asked.quick))
    blas = {info["internal_api"]: info.get("architecture") for info in threadpool_info()}
    say(**took, threads=asked.threads, versions={"python": platform.python_version()}, blas=blas)


if __name__ == "__main__":
    main()
