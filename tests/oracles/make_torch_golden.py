"""Write torch_golden.json: losses, gradients and optimizer paths by PyTorch, in float64.

Run where PyTorch is installed: python tests/oracles/make_torch_golden.py. The tests read the JSON alone.
Weights are stored as dlkit has them, (n_in, n_out): the transpose of PyTorch's.
"""

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

HERE = Path(__file__).parent
ROWS, INPUTS, HIDDEN = 7, 5, 6
# name -> (layers as in a recipe, outputs, loss)
MODELS = {
    "relu_batch_norm": ([{"dense": 6}, "batch_norm", {"dense": 6}, "batch_norm"], 3, "classes"),
    "batch_norm_before_relu": (
        [{"dense": {"units": 6, "activation": "identity"}}, "batch_norm", {"activation": "relu"}],
        3, "classes",
    ),
    "tanh_layer_norm": ([{"dense": {"units": 6, "activation": "tanh"}}, "layer_norm"], 3, "classes"),
    "prelu": (
        [{"dense": {"units": 6, "activation": "prelu"}}, {"dense": 6}, {"activation": "prelu"}], 3, "classes",
    ),
    "leaky_relu": ([{"dense": {"units": 6, "activation": "leaky_relu", "slope": 0.2}}], 1, "squared"),
    "sigmoid": ([{"dense": {"units": 6, "activation": "sigmoid"}}], 4, "bce"),
    "heteroscedastic": ([{"dense": {"units": 6, "activation": "tanh"}}, {"dropout": 0.5}], 4, "gaussian"),
}  # fmt: skip
OPTIMIZERS = {
    "sgd": lambda p, d: torch.optim.SGD(p, lr=0.1, weight_decay=d),
    "momentum": lambda p, d: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=d),
    "nesterov": lambda p, d: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=d),
    "adagrad": lambda p, d: torch.optim.Adagrad(p, lr=0.1, weight_decay=d),
    "rmsprop": lambda p, d: torch.optim.RMSprop(p, lr=0.1, weight_decay=d),
    "adam": lambda p, d: torch.optim.Adam(p, lr=0.1, weight_decay=d),
    "adamw": lambda p, d: torch.optim.AdamW(p, lr=0.1, weight_decay=d),
}
ACTIVATIONS = {
    "identity": nn.Identity, "relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid,
    "prelu": nn.PReLU, "leaky_relu": lambda: nn.LeakyReLU(0.2),
}  # fmt: skip


def modules(layers: list, outputs: int) -> list[tuple[str, nn.Module, list[str]]]:
    """(dlkit's layer path, module, dlkit's parameter names in PyTorch's order)."""
    made, width = [], INPUTS
    for k, layer in enumerate(layers):
        name, value = (layer, {}) if isinstance(layer, str) else next(iter(layer.items()))
        path = f"{k}.{name}"
        if name == "dense":
            value = value if isinstance(value, dict) else {"units": value}
            made.append((path, nn.Linear(width, value["units"]), ["weight", "bias"]))
            width = value["units"]
            made.append((path, ACTIVATIONS[value.get("activation", "relu")](), ["slope"]))
        elif name == "activation":
            made.append((path, ACTIVATIONS[value](), ["slope"]))
        elif name == "batch_norm":
            made.append((path, nn.BatchNorm1d(width), ["gain", "bias"]))
        elif name == "layer_norm":
            made.append((path, nn.LayerNorm(width), ["gain", "bias"]))
    made.append((f"{len(layers)}.output", nn.Linear(width, outputs), ["weight", "bias"]))
    return made


def text(tensor: torch.Tensor, transposed: bool) -> list:
    array = tensor.detach().numpy()
    return (array.T if transposed else array).tolist()


def loss_of(kind: str, f: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    if kind == "classes":
        return nn.functional.cross_entropy(f, y)
    if kind == "bce":
        return nn.functional.binary_cross_entropy_with_logits(f, y, reduction="sum") / ROWS
    if kind == "squared":
        return 0.5 * nn.functional.mse_loss(f, y, reduction="sum") / ROWS
    half = f.shape[1] // 2
    variance = f[:, half:].exp()
    return nn.functional.gaussian_nll_loss(f[:, :half], y, variance, reduction="sum", eps=1e-300) / ROWS


def model(name: str, rng: np.random.Generator) -> dict:
    layers, outputs, kind = MODELS[name]
    made = modules(layers, outputs)
    named = [
        (f"{path}.{n}", p, isinstance(m, nn.Linear) and n == "weight")
        for path, m, names in made
        for n, p in zip(names, m.parameters(), strict=False)
    ]
    with torch.no_grad():
        for _, p, _ in named:
            p.add_(torch.as_tensor(rng.normal(0, 0.3, p.shape)))
    before = {path: text(p, flip) for path, p, flip in named}
    x = torch.as_tensor(rng.normal(size=(ROWS, INPUTS)))
    y = {
        "classes": lambda: torch.as_tensor(rng.integers(0, outputs, ROWS)),
        "bce": lambda: torch.as_tensor(rng.random((ROWS, outputs))),
        "squared": lambda: torch.as_tensor(rng.normal(size=(ROWS, outputs))),
        "gaussian": lambda: torch.as_tensor(rng.normal(size=(ROWS, outputs // 2))),
    }[kind]()
    net = nn.Sequential(*[m for _, m, _ in made]).train()
    f = net(x)
    loss = loss_of(kind, f, y)
    loss.backward()
    running = {
        f"{path}.{n}": text(getattr(m, n), False)
        for path, m, _ in made if isinstance(m, nn.BatchNorm1d) for n in ("running_mean", "running_var")
    }  # fmt: skip
    net.eval()
    return {
        "layers": layers, "outputs": outputs, "loss_kind": kind, "x": x.tolist(), "y": y.tolist(),
        "parameters": before, "loss": loss.item(), "output": f.tolist(),
        "gradients": {path: text(p.grad, flip) for path, p, flip in named},
        "running": running, "output_eval": net(x).tolist(),
    }  # fmt: skip


def trajectory(name: str, decay: float, start: np.ndarray, gradients: np.ndarray) -> list:
    p = torch.as_tensor(start.copy()).requires_grad_()
    optimizer = OPTIMIZERS[name]([p], decay)
    seen = []
    for g in gradients:
        p.grad = torch.as_tensor(g)
        optimizer.step()
        seen.append(p.detach().numpy().tolist())
    return seen


def main() -> None:
    torch.set_default_dtype(torch.float64)
    rng = np.random.default_rng(20)
    start, gradients = rng.normal(size=6), rng.normal(size=(5, 6))
    golden = {
        "torch": torch.__version__.split("+")[0],
        "models": {name: model(name, rng) for name in MODELS},
        "start": start.tolist(),
        "step_gradients": gradients.tolist(),
        "trajectories": {
            f"{name} {decay}": trajectory(name, decay, start, gradients)
            for name in OPTIMIZERS
            for decay in (0.0, 0.1)
        },
    }
    rounded = json.loads(json.dumps(golden), parse_float=lambda s: float(f"{float(s):.13g}"))
    text = json.dumps(rounded, separators=(",", ":")).replace('],"', '],\n"')
    (HERE / "torch_golden.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
