"""Write torch_images_golden.json: convolutions, poolings and a small residual network by PyTorch, in float64.

Run where PyTorch is installed: python tests/oracles/make_torch_images_golden.py. Tests read the JSON alone.
Images and weights are stored as dlkit has them: (n, h, w, c), (kh, kw, c / groups, filters) and, for a
transposed convolution, (kh, kw, filters / groups, c).
"""

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

HERE = Path(__file__).parent
# name -> (image h, w, c; filters; PyTorch's arguments; dlkit's window)
CONVS = {
    "valid": ((5, 6, 2), 3, (3, 3), {}, {"pad": "valid"}),
    "same": ((5, 6, 2), 3, (3, 2), {"padding": "same"}, {"pad": "same"}),
    "strided": (
        (6, 7, 3),
        4,
        (3, 2),
        {"stride": (2, 3), "padding": (1, 0)},
        {"stride": (2, 3), "pad": (1, 0)},
    ),
    "groups": ((5, 5, 4), 6, (3, 3), {"groups": 2, "padding": 1}, {"pad": (1, 1)}),
    "one channel": ((6, 6, 1), 3, (5, 5), {"padding": 2}, {"pad": (2, 2)}),
}
TRANSPOSED = {
    "valid": ((3, 4, 2), 3, (3, 3), {}, {"pad": "valid"}),
    "strided": ((3, 4, 2), 3, (4, 4), {"stride": 2, "padding": 1}, {"stride": (2, 2), "pad": (1, 1)}),
    "extra": (
        (3, 4, 4), 6, (3, 3), {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2},
        {"stride": (2, 2), "pad": (1, 1)},
    ),
}  # fmt: skip
POOLS = {
    "max": (F.max_pool2d, {"kernel_size": 2}, {"size": (2, 2), "stride": (2, 2)}),
    "max padded": (
        F.max_pool2d, {"kernel_size": 3, "stride": 2, "padding": 1},
        {"size": (3, 3), "stride": (2, 2), "pad": (1, 1)},
    ),
    "average": (F.avg_pool2d, {"kernel_size": (2, 3)}, {"size": (2, 3), "stride": (2, 3)}),
    "average padded": (
        F.avg_pool2d, {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False},
        {"size": (3, 3), "stride": (2, 2), "pad": (1, 1)},
    ),
}  # fmt: skip
CLASSES = 3
LAYERS = [
    {"conv": {"filters": 4, "size": 3, "pad": "same", "activation": "identity", "bias": False}},
    "batch_norm",
    {"activation": "relu"},
    {"max_pool": 2},
    {
        "residual": {
            "layers": [
                {"conv": {"filters": 6, "size": 3, "pad": 1, "stride": 2, "activation": "identity"}},
                "batch_norm",
            ]
        }
    },
    "global_pool",
]


def nhwc(t: torch.Tensor) -> list:
    return t.detach().permute(0, 2, 3, 1).numpy().tolist()


def weights(t: torch.Tensor) -> list:
    """(out, in, kh, kw) as (kh, kw, in, out)."""
    return t.detach().permute(2, 3, 1, 0).numpy().tolist()


def drawn(rng: np.random.Generator, *shape: int) -> torch.Tensor:
    return torch.as_tensor(rng.normal(size=shape)).requires_grad_()


def convolution(rng: np.random.Generator, case: tuple, transposed: bool) -> dict:
    (h, w, c), filters, size, given, window = case
    groups = given.get("groups", 1)
    x = drawn(rng, 2, c, h, w)
    shape = (c, filters // groups, *size) if transposed else (filters, c // groups, *size)
    weight, bias = drawn(rng, *shape), drawn(rng, filters)
    apply = F.conv_transpose2d if transposed else F.conv2d
    y = apply(x, weight, bias, **given)
    dy = torch.as_tensor(rng.normal(size=y.shape))
    y.backward(dy)
    return {
        "window": {"size": size, **window}, "groups": groups, "extra": given.get("output_padding", 0),
        "x": nhwc(x), "weight": weights(weight), "bias": bias.tolist(), "y": nhwc(y), "dy": nhwc(dy),
        "dx": nhwc(x.grad), "dweight": weights(weight.grad), "dbias": bias.grad.tolist(),
    }  # fmt: skip


def pooling(rng: np.random.Generator, case: tuple) -> dict:
    apply, given, window = case
    x = drawn(rng, 2, 3, 5, 7)
    y = apply(x, **given)
    dy = torch.as_tensor(rng.normal(size=y.shape))
    y.backward(dy)
    return {"window": window, "x": nhwc(x), "y": nhwc(y), "dy": nhwc(dy), "dx": nhwc(x.grad)}


class Network(nn.Module):
    """LAYERS and the output layer; the shortcut is a strided 1×1 convolution with batch normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.inner, self.inner_norm = nn.Conv2d(4, 6, 3, padding=1, stride=2), nn.BatchNorm2d(6)
        self.short, self.short_norm = nn.Conv2d(4, 6, 1, stride=2, bias=False), nn.BatchNorm2d(6)
        self.output = nn.Linear(6, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)
        x = F.relu(self.inner_norm(self.inner(x)) + self.short_norm(self.short(x)))
        return self.output(x.mean((2, 3)))

    def named(self) -> dict[str, nn.Module]:
        return {
            "0.conv": self.conv, "1.batch_norm": self.norm, "4.residual.layers.0.conv": self.inner,
            "4.residual.layers.1.batch_norm": self.inner_norm, "4.residual.shortcut.0.conv": self.short,
            "4.residual.shortcut.1.batch_norm": self.short_norm, "6.output": self.output,
        }  # fmt: skip


def plain(module: nn.Module, name: str, t: torch.Tensor) -> list:
    if isinstance(module, nn.Conv2d) and name == "weight":
        return weights(t)
    return (t.T if t.ndim == 2 else t).detach().numpy().tolist()


def network(rng: np.random.Generator) -> dict:
    net = Network()
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.as_tensor(rng.normal(0, 0.3, p.shape)))
    ours = {
        "weight": lambda m: "gain" if isinstance(m, nn.BatchNorm2d) else "weight",
        "bias": lambda m: "bias",
    }
    named = [
        (f"{path}.{ours[n](m)}", m, n, p) for path, m in net.named().items() for n, p in m.named_parameters()
    ]
    before = {path: plain(m, n, p) for path, m, n, p in named}
    x = torch.as_tensor(rng.normal(size=(5, 2, 7, 6)))
    y = torch.as_tensor(rng.integers(0, CLASSES, 5))
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    running = {
        f"{path}.{n}": getattr(m, n).tolist()
        for path, m in net.named().items() if isinstance(m, nn.BatchNorm2d)
        for n in ("running_mean", "running_var")
    }  # fmt: skip
    gradients = {path: plain(m, n, p.grad) for path, m, n, p in named}
    net.eval()
    return {
        "layers": LAYERS, "x": nhwc(x), "y": y.tolist(), "parameters": before, "loss": loss.item(),
        "gradients": gradients, "running": running, "output_eval": net(x).tolist(),
    }  # fmt: skip


def main() -> None:
    torch.set_default_dtype(torch.float64)
    rng = np.random.default_rng(21)
    small = torch.as_tensor(rng.normal(size=(2, 3, 2, 3)))
    golden = {
        "torch": torch.__version__.split("+")[0],
        "conv": {name: convolution(rng, case, False) for name, case in CONVS.items()},
        "conv_transpose": {name: convolution(rng, case, True) for name, case in TRANSPOSED.items()},
        "pool": {name: pooling(rng, case) for name, case in POOLS.items()},
        "bilinear": {
            "x": nhwc(small),
            "y": nhwc(F.interpolate(small, scale_factor=3, mode="bilinear", align_corners=False)),
        },
        "network": network(rng),
    }
    rounded = json.loads(json.dumps(golden), parse_float=lambda s: float(f"{float(s):.10g}"))
    text = json.dumps(rounded, separators=(",", ":")).replace('],"', '],\n"')
    (HERE / "torch_images_golden.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
