"""The peer of the vae row: the same training step in PyTorch on the CPU."""

import torch
from torch import nn

from benchmarks.measure import say, step_seconds
from benchmarks.train_mlp_torch import versions
from benchmarks.vae import Sizes, parser


class VAE(nn.Module):
    """784-400-20 as in PyTorch's own example."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        p, w, k = sizes.pixels, sizes.width, sizes.latent
        self.hidden, self.mu, self.s = nn.Linear(p, w), nn.Linear(w, k), nn.Linear(w, k)
        self.back, self.out = nn.Linear(k, w), nn.Linear(w, p)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        h = torch.relu(self.hidden(x))
        mu, s = self.mu(h), self.s(h)
        z = mu + torch.randn_like(s) * torch.exp(0.5 * s)
        return self.out(torch.relu(self.back(z))), mu, s


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--fused", action="store_true", help="PyTorch's fused Adam, not its default one")
    asked = options.parse_args()
    sizes = Sizes(batch=asked.batch)
    torch.manual_seed(1)
    torch.set_num_threads(asked.threads)
    model = VAE(sizes)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=asked.fused or None)
    x = torch.rand(sizes.batch, sizes.pixels)

    def step() -> None:
        adam.zero_grad()
        y, mu, s = model(x)
        reconstruction = nn.functional.binary_cross_entropy_with_logits(y, x, reduction="sum")
        kl = -0.5 * torch.sum(1 + s - mu * mu - s.exp())
        ((reconstruction + kl) / sizes.batch).backward()
        adam.step()

    say(**step_seconds(step), threads=torch.get_num_threads(), versions=versions())


if __name__ == "__main__":
    main()
