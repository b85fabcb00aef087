"""The peer of the gan row: the same two steps in PyTorch on the CPU."""

import platform
from itertools import pairwise

import torch
from torch import nn

from benchmarks.gan import DISCRIMINATOR, GENERATOR, parser
from benchmarks.measure import say, step_seconds


def generator() -> nn.Sequential:
    layers: list[nn.Module] = []
    for k, (a, b) in enumerate(pairwise(GENERATOR)):
        layers.append(nn.Linear(a, b))
        if k == len(GENERATOR) - 2:
            layers.append(nn.Tanh())
        else:
            layers += [*([nn.BatchNorm1d(b)] if k else []), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers)


def discriminator() -> nn.Sequential:
    a, b, c, d = DISCRIMINATOR
    return nn.Sequential(
        nn.Linear(a, b), nn.LeakyReLU(0.2), nn.Linear(b, c), nn.LeakyReLU(0.2), nn.Linear(c, d)
    )


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--fused", action="store_true", help="PyTorch's fused Adam, not its default one")
    asked = options.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(asked.threads)
    g, d, n = generator(), discriminator(), asked.batch
    adam_g, adam_d = (
        torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=asked.fused or None)
        for net in (g, d)
    )
    x, one, zero = torch.rand(n, 784) * 2 - 1, torch.ones(n, 1), torch.zeros(n, 1)
    loss = nn.functional.binary_cross_entropy_with_logits

    def of_d(fakes: torch.Tensor) -> None:
        adam_d.zero_grad()
        ((loss(d(x), one) + loss(d(fakes.detach()), zero)) / 2).backward()
        adam_d.step()

    def of_g(fakes: torch.Tensor) -> None:
        adam_g.zero_grad()
        loss(d(fakes), one).backward()
        adam_g.step()

    def both() -> None:
        fakes = g(torch.randn(n, GENERATOR[0]))
        if asked.once:
            of_g(fakes)
            of_d(fakes)
        else:
            of_d(fakes)
            of_g(g(torch.randn(n, GENERATOR[0])))

    versions = {"torch": torch.__version__, "python (peer)": platform.python_version()}
    say(**step_seconds(both), threads=torch.get_num_threads(), versions=versions)


if __name__ == "__main__":
    main()
