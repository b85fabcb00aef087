"""The peer of the train-cnn rows: the same step of LeNet in PyTorch on the CPU."""

import platform

import torch
from torch import nn

from benchmarks.cnn import parser, sizes_of
from benchmarks.measure import blocks, say, step_seconds


def main() -> None:
    parse = parser(__doc__)
    parse.add_argument("--fused", action="store_true", help="PyTorch's fused Adam, not its default one")
    parse.add_argument("--channels-last", action="store_true", help="images as (n, h, w, c) in memory")
    asked = parse.parse_args()
    sizes = sizes_of(asked)
    torch.manual_seed(1)
    torch.set_num_threads(asked.threads)
    model = nn.Sequential(
        nn.Conv2d(sizes.channels, sizes.filters, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(sizes.filters, sizes.second, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(sizes.flat, sizes.units), nn.ReLU(), nn.Linear(sizes.units, sizes.classes),
    )  # fmt: skip
    x = torch.rand(sizes.batch, sizes.channels, sizes.side, sizes.side)
    y = torch.randint(0, sizes.classes, (sizes.batch,))
    if asked.channels_last:
        model = model.to(memory_format=torch.channels_last)
        x = x.to(memory_format=torch.channels_last)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=asked.fused or None)

    def step() -> None:
        if asked.forward:
            with torch.inference_mode():
                model(x)
            return
        adam.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        adam.step()

    say(**step_seconds(step, **blocks(asked.quick)), threads=torch.get_num_threads(), versions=versions())


def versions() -> dict[str, str]:
    return {"torch": torch.__version__, "python (peer)": platform.python_version()}


if __name__ == "__main__":
    main()
