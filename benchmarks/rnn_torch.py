"""The peer of the rnn rows: the same training step in PyTorch on the CPU."""

import torch
from torch import nn

from benchmarks.measure import say, step_seconds
from benchmarks.rnn import Sizes, parser, sizes_of
from benchmarks.train_mlp_torch import versions


class LanguageModel(nn.Module):
    """Embedding, nn.LSTM, linear layer."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.embedding = nn.Embedding(sizes.symbols, sizes.embedding)
        self.lstm = nn.LSTM(sizes.embedding, sizes.units)
        self.output = nn.Linear(sizes.units, sizes.symbols)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--fused", action="store_true", help="PyTorch's fused Adam, not its default one")
    asked = options.parse_args()
    sizes = sizes_of(asked)
    torch.manual_seed(1)
    torch.set_num_threads(asked.threads)
    model = LanguageModel(sizes)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=asked.fused or None)
    ids = torch.randint(0, sizes.symbols, (sizes.steps + 1, sizes.batch))
    zeros = torch.zeros(1, sizes.batch, sizes.units)
    state = [(zeros, zeros)]

    def step() -> None:
        adam.zero_grad()
        y, last = model.lstm(model.embedding(ids[:-1]), state[0])
        state[0] = (last[0].detach(), last[1].detach())
        logits = model.output(y).view(-1, sizes.symbols)
        nn.functional.cross_entropy(logits, ids[1:].reshape(-1)).backward()
        adam.step()

    took = step_seconds(step)
    symbols = sizes.batch * sizes.steps / took["seconds"]
    say(**took, symbols_per_second=symbols, threads=torch.get_num_threads(), versions=versions())


if __name__ == "__main__":
    main()
