"""The machine's sgemm rate, by shape and threads: the limit that a neural step is compared with.

``python -m benchmarks.sgemm --threads 2 128x784x512 2048x2048x2048`` (rows × inner × columns)
"""

import argparse

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from benchmarks.measure import say, step_seconds

SQUARES = ("512x512x512", "1024x1024x1024", "2048x2048x2048")


def gflops(shape: str) -> float:
    """GFLOP/s of one (m, k) @ (k, n) product in float32 written to a given array."""
    m, k, n = map(int, shape.split("x"))
    draw = np.random.default_rng(1)
    a, b = draw.random((m, k), dtype=np.float32), draw.random((k, n), dtype=np.float32)
    c = np.empty((m, n), np.float32)
    took = step_seconds(lambda: np.matmul(a, b, out=c), warm_up_s=0.2, block_s=0.2)
    return 2.0 * m * k * n / took["fastest"] / 1e9  # a limit is what was reached at best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("shapes", nargs="*", default=list(SQUARES))
    asked = parser.parse_args()
    with threadpool_limits(limits=asked.threads):
        rates = {shape: round(gflops(shape), 1) for shape in asked.shapes}
    blas = {info["internal_api"]: info.get("architecture") for info in threadpool_info()}
    say(threads=asked.threads, rates=rates, peak=max(rates.values()), blas=blas, numpy=np.__version__)


if __name__ == "__main__":
    main()
