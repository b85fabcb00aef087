"""Write torch_attention_golden.json: attention and smoothed cross-entropies by PyTorch, in float64.

Run where PyTorch is installed: python tests/oracles/make_torch_attention_golden.py. The tests read the JSON
alone. Sequences are rows first in PyTorch and time first in dlkit; the file has them time first.
"""

import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

HERE = Path(__file__).parent
TARGET, SOURCE, ROWS, UNITS, WORDS = 3, 4, 2, 3, 6
LENGTHS = [4, 2]


def scores(kind: str, h: torch.Tensor, k: torch.Tensor, weights: dict) -> torch.Tensor:
    """(B, T, S) of h (B, T, n) and k (B, S, n)."""
    if kind == "dot":
        return torch.bmm(h, k.transpose(1, 2))
    if kind == "general":
        return torch.bmm(h, (k @ weights["key"]).transpose(1, 2))
    q = h @ weights["query.weight"] + weights["query.bias"]
    return torch.tanh(q[:, :, None] + (k @ weights["key"])[:, None]) @ weights["weight"]


def attention(kind: str, rng: np.random.Generator) -> dict:
    """Context of one score, and every gradient of its weighted sum."""
    shapes = {"h": (TARGET, ROWS, UNITS), "k": (SOURCE, ROWS, UNITS), "w": (TARGET, ROWS, UNITS)}
    arrays = {name: rng.standard_normal(shape).round(3) for name, shape in shapes.items()}
    names = {"dot": (), "general": ("key",), "additive": ("key", "query.weight", "query.bias", "weight")}
    sizes = {"key": (UNITS, UNITS), "query.weight": (UNITS, UNITS)}
    given = {name: rng.standard_normal(sizes.get(name, UNITS)).round(3) for name in names[kind]}
    weights = {name: torch.tensor(a, requires_grad=True) for name, a in given.items()}
    h, k = (torch.tensor(arrays[name], requires_grad=True) for name in "hk")
    values = k.transpose(0, 1)
    absent = torch.arange(SOURCE)[None] >= torch.tensor(LENGTHS)[:, None]
    s = scores(kind, h.transpose(0, 1), values, weights).masked_fill(absent[:, None], -torch.inf)
    context = torch.bmm(s.softmax(-1), values).transpose(0, 1)
    (context * torch.tensor(arrays["w"])).sum().backward()
    return {
        **{name: a.tolist() for name, a in arrays.items()},
        "weights": {name: a.tolist() for name, a in given.items()},
        "context": context.tolist(),
        "dh": h.grad.tolist(),
        "dk": k.grad.tolist(),
        "gradients": {name: a.grad.tolist() for name, a in weights.items()},
    }


def loss(smoothing: float, rng: np.random.Generator) -> dict:
    """Loss of rows of words, some of them padding, and the gradients of states, weights and bias."""
    shapes = {"h": (5, UNITS), "w": (WORDS, UNITS), "b": (WORDS,)}
    arrays = {name: rng.standard_normal(shape).round(3) for name, shape in shapes.items()}
    labels = [2, -1, 0, 5, 2]
    h, w, b = (torch.tensor(a, requires_grad=True) for a in arrays.values())
    total = functional.cross_entropy(
        h @ w.T + b, torch.tensor(labels), ignore_index=-1, label_smoothing=smoothing, reduction="sum"
    )
    (0.2 * total).backward()
    return {
        **{name: a.tolist() for name, a in arrays.items()},
        "labels": labels,
        "smoothing": smoothing,
        "loss": 0.2 * total.item(),
        **{f"d{name}": a.grad.tolist() for name, a in zip("hwb", (h, w, b), strict=True)},
    }


def main() -> None:
    rng = np.random.default_rng(5)
    made = {
        "torch": torch.__version__.split("+")[0],
        "lengths": LENGTHS,
        "attention": {kind: attention(kind, rng) for kind in ("dot", "general", "additive")},
        "loss": [loss(smoothing, rng) for smoothing in (0.0, 0.1)],
    }
    text = json.dumps(made, indent=1)
    (HERE / "torch_attention_golden.json").write_text(text + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
