"""The peer of the seq2seq row: the same training step, and greedy translation, in PyTorch on the CPU."""

import torch
from torch import nn
from torch.nn import functional

from benchmarks.measure import say, step_seconds
from benchmarks.seq2seq import Sizes, parser, sizes_of
from benchmarks.train_mlp_torch import versions

END = 2


class Translator(nn.Module):
    """GRU encoder, GRU decoder, dot attention, softmax over [state; context]."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        n = sizes.units
        self.source, self.target = nn.Embedding(sizes.words, n), nn.Embedding(sizes.words, n)
        self.encoder, self.decoder = nn.GRU(n, n), nn.GRU(n, n)
        self.out = nn.Linear(2 * n, sizes.words)

    def decode(
        self, y: torch.Tensor, h: torch.Tensor, values: torch.Tensor, absent: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (T, B, V) after words y (T, B), and the last state; values: (S, B, n); absent: (B, 1, S)
        padding of the source."""
        states, h = self.decoder(functional.relu(self.target(y)), h)
        scores = torch.bmm(states.transpose(0, 1), values.permute(1, 2, 0))
        if absent is not None:
            scores = scores.masked_fill(absent, -1e9)
        context = torch.bmm(scores.softmax(-1), values.transpose(0, 1)).transpose(0, 1)
        return self.out(torch.cat([states, context], -1)), h


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--fused", action="store_true", help="PyTorch's fused Adam, not its default one")
    asked = options.parse_args()
    sizes = sizes_of(asked)
    torch.manual_seed(1)
    torch.set_num_threads(asked.threads)
    model = Translator(sizes)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=asked.fused or None)
    shape = (sizes.steps, sizes.pairs)
    x, y, labels = (torch.randint(4, sizes.words, shape) for _ in range(3))

    def train() -> None:
        adam.zero_grad()
        values, h = model.encoder(model.source(x))
        logits, _ = model.decode(y, h, values)
        functional.cross_entropy(logits.view(-1, sizes.words), labels.view(-1)).backward()
        adam.step()

    with torch.no_grad():
        model.out.bias[END] = -1e9  # a translation ends where it is as long as its source
    lengths = torch.tensor(sizes.sentences())
    sources = [torch.randint(4, sizes.words, (n,)) for n in lengths.tolist()]

    @torch.inference_mode()
    def translate() -> None:
        for first in range(0, len(sources), sizes.pairs):
            mine = lengths[first : first + sizes.pairs]
            padded = nn.utils.rnn.pad_sequence(sources[first : first + sizes.pairs])
            packed = nn.utils.rnn.pack_padded_sequence(model.source(padded), mine, enforce_sorted=False)
            states, h = model.encoder(packed)
            values, _ = nn.utils.rnn.pad_packed_sequence(states)
            absent = torch.arange(len(values))[None, None] >= mine[:, None, None]
            word, words = torch.full((1, len(mine)), 1), []
            for t in range(int(mine.max())):  # until every sentence of the batch has ended
                logits, h = model.decode(word, h, values, absent)
                word = logits.argmax(-1)
                words.append(word)
                if bool(((word[0] == END) | (t + 1 >= mine)).all()):
                    break
            torch.cat(words).T.tolist()

    took = step_seconds(translate if asked.translate else train)
    say(**took, threads=torch.get_num_threads(), versions=versions())


if __name__ == "__main__":
    main()
