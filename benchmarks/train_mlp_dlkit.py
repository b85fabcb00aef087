"""dlkit's side of the train-mlp rows: one training step made of its public pieces, without a command line."""

import platform

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from benchmarks.measure import blocks, say, step_seconds
from benchmarks.mlp import Sizes, parser
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import ProductTeam, Team, hold_blas_at_one_thread
from dlkit.nn.layers import Act, Dense, Sequential
from dlkit.nn.optimizers import AdamSpec, build
from dlkit.nn.parameter import Flat
from dlkit.nn.step import GradientStep
from dlkit.ops.losses import softmax_cross_entropy


def main() -> None:
    parse = parser(__doc__)
    parse.add_argument("--shards", type=int, help="parts of the batch (as many as threads)")
    parse.add_argument("--split", choices=("batch", "products"), default="products", help="what is cut")
    parse.add_argument("--blas", type=int, default=1, help="BLAS's own threads for each product (1)")
    asked = parse.parse_args()
    sizes = Sizes(batch=asked.batch, width=asked.width)
    shards = asked.shards or asked.threads
    hold_blas_at_one_thread()
    threadpool_limits(asked.blas, user_api="blas")
    backend, streams = open_backend("cpu"), Streams(1)
    a, b, c, k = sizes.layers
    model = Sequential(Dense(a, b, Act("relu")), Dense(b, c, Act("relu")), Dense(c, k))
    flat = Flat.allocate(model, backend, streams)
    draw = np.random.default_rng(1)
    x = draw.random((sizes.batch, a), dtype=np.float32)
    y = draw.integers(0, k, sizes.batch)
    kind = ProductTeam if asked.split == "products" else Team
    with kind(asked.threads, shards) as team:
        train = GradientStep(model, build(AdamSpec(), flat), backend, team, streams)

        def loss(tape, shard, rows):
            logits = model(tape, tape.constant(x[rows]))
            mean, *_ = softmax_cross_entropy(tape, logits, y[rows], 1 / sizes.batch)
            return mean, None

        took = step_seconds(lambda: train(sizes.batch, loss, 1e-3, (1, 1)), **blocks(asked.quick))
    blas = {info["internal_api"]: info.get("architecture") for info in threadpool_info()}
    say(**took, threads=asked.threads, versions={"python": platform.python_version()}, blas=blas)


if __name__ == "__main__":
    main()
