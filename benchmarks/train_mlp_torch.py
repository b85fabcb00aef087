"""The peer of the train-mlp rows: the same training step in PyTorch on the CPU."""

import platform

import torch
from torch import nn

from benchmarks.measure import blocks, say, step_seconds
from benchmarks.mlp import Sizes, parser


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--fused", action="store_true", help="PyTorch's fused Adam, not its default one")
    asked = options.parse_args()
    sizes = Sizes(batch=asked.batch, width=asked.width)
    torch.manual_seed(1)
    torch.set_num_threads(asked.threads)
    a, b, c, k = sizes.layers
    model = nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Linear(b, c), nn.ReLU(), nn.Linear(c, k))
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=asked.fused or None)
    x, y = torch.rand(sizes.batch, a), torch.randint(0, k, (sizes.batch,))

    def step() -> None:
        adam.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        adam.step()

    say(**step_seconds(step, **blocks(asked.quick)), threads=torch.get_num_threads(), versions=versions())


def versions() -> dict[str, str]:
    return {"torch": torch.__version__, "python (peer)": platform.python_version()}


if __name__ == "__main__":
    main()
