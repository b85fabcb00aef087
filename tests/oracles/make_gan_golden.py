"""Write gan_golden.json: one step of D and one of G by PyTorch, in float64.

Run where PyTorch is installed: python tests/oracles/make_gan_golden.py. The tests read the JSON alone.
Weights are stored as dlkit has them, (n_in, n_out): the transpose of PyTorch's.
"""

import itertools
import json
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

HERE = Path(__file__).parent
ROWS, LATENT, WIDTH = 7, 3, 4
GENERATOR = [{"dense": {"units": 5, "activation": "identity"}}, "batch_norm", {"activation": "leaky_relu"}]
DISCRIMINATORS = {"plain": [{"dense": 6}], "batch_norm": GENERATOR}


def generator() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(LATENT, 5), nn.BatchNorm1d(5), nn.LeakyReLU(0.2), nn.Linear(5, WIDTH), nn.Tanh()
    )


def discriminator(kind: str) -> nn.Sequential:
    if kind == "plain":
        return nn.Sequential(nn.Linear(WIDTH, 6), nn.LeakyReLU(0.2), nn.Linear(6, 1))
    return nn.Sequential(nn.Linear(WIDTH, 5), nn.BatchNorm1d(5), nn.LeakyReLU(0.2), nn.Linear(5, 1))


def named(net: nn.Sequential, prefix: str) -> list[tuple[str, torch.Tensor, bool]]:
    """(dlkit's path, parameter, whether it is transposed)."""
    found, place, linears = [], 0, [m for m in net if isinstance(m, nn.Linear)]
    for module in net:
        if isinstance(module, nn.Linear):
            kind, names = "output" if module is linears[-1] else "dense", ("weight", "bias")
        elif isinstance(module, nn.BatchNorm1d):
            kind, names = "batch_norm", ("gain", "bias")
        elif isinstance(module, nn.LeakyReLU) and len(net) > 3:
            place += 1
            continue
        else:  # fused with the layer before it
            continue
        path = f"{prefix}.{place}.{kind}"
        for name, p in zip(names, module.parameters(), strict=True):
            found.append((f"{path}.{name}", p, isinstance(module, nn.Linear) and name == "weight"))
        place += 1
    return found


def text(tensor: torch.Tensor, transposed: bool) -> list:
    array = tensor.detach().numpy()
    return (array.T if transposed else array).tolist()


def d_loss(loss: str, real: torch.Tensor, fake: torch.Tensor, smoothing: float) -> torch.Tensor:
    one, zero = torch.full_like(real, 1 - smoothing), torch.zeros_like(fake)
    if loss == "least_squares":
        return 0.5 * ((real - one) ** 2).mean() + 0.5 * (fake**2).mean()
    return (cross_entropy(real, one) + cross_entropy(fake, zero)) / 2


def g_loss(loss: str, fake: torch.Tensor) -> torch.Tensor:
    if loss == "least_squares":
        return 0.5 * ((fake - 1) ** 2).mean()
    if loss == "minimax":
        return torch.log(1 - torch.sigmoid(fake)).mean()
    return -torch.log(torch.sigmoid(fake)).mean()


def step(net: nn.Sequential, loss: torch.Tensor, prefix: str, sgd: torch.optim.SGD) -> dict:
    """Gradients of a loss, and the parameters after a step along them."""
    sgd.zero_grad()
    loss.backward()
    gradients = {path: text(p.grad, flip) for path, p, flip in named(net, prefix)}
    sgd.step()
    after = {path: text(p, flip) for path, p, flip in named(net, prefix)}
    return {"loss": loss.item(), "gradients": gradients, "after": after}


def case(loss: str, kind: str, smoothing: float, fakes: str, rng: np.random.Generator) -> dict:
    g, d = generator(), discriminator(kind)
    with torch.no_grad():
        for _, p, _ in [*named(g, "generator"), *named(d, "discriminator")]:
            p.add_(torch.as_tensor(rng.normal(0, 0.3, p.shape)))
    before = {
        path: text(p, flip)
        for net, prefix in ((g, "generator"), (d, "discriminator"))
        for path, p, flip in named(net, prefix)
    }
    # Adam would blow up the zero gradients of biases before batch normalisation to whole steps
    sgds = [torch.optim.SGD(net.parameters(), lr=0.1) for net in (g, d)]
    x = torch.as_tensor(np.tanh(rng.normal(size=(ROWS, WIDTH))))
    z = torch.as_tensor(rng.normal(size=(2, ROWS, LATENT)))
    if fakes == "once":
        made = g(z[0])
        of_g = step(g, g_loss(loss, d(made)), "generator", sgds[0])
        of_d = step(d, d_loss(loss, d(x), d(made.detach()), smoothing), "discriminator", sgds[1])
    else:
        of_d = step(d, d_loss(loss, d(x), d(g(z[0]).detach()), smoothing), "discriminator", sgds[1])
        of_g = step(g, g_loss(loss, d(g(z[1]))), "generator", sgds[0])
    running = {
        path.replace("gain", name): text(getattr(module, name), False)
        for net, prefix in ((g, "generator"), (d, "discriminator"))
        for path, module in zip(
            [path for path, _, _ in named(net, prefix) if path.endswith("gain")],
            [m for m in net if isinstance(m, nn.BatchNorm1d)],
            strict=True,
        )
        for name in ("running_mean", "running_var")
    }
    return {
        "loss": loss, "discriminator": DISCRIMINATORS[kind], "smoothing": smoothing, "fakes": fakes,
        "x": x.tolist(), "z": z.tolist(), "parameters": before,
        "of_d": of_d, "of_g": of_g, "running": running,
    }  # fmt: skip


def main() -> None:
    torch.set_default_dtype(torch.float64)
    rng = np.random.default_rng(30)
    losses = ("non_saturating", "minimax", "least_squares")
    cases = {
        f"{loss} {kind}": case(loss, kind, 0.0, "fresh", rng)
        for loss, kind in itertools.product(losses, DISCRIMINATORS)
    }
    cases["smoothed"] = case("non_saturating", "plain", 0.1, "fresh", rng)
    cases["fakes once"] = case("least_squares", "plain", 0.0, "once", rng)
    cases["fakes once, batch_norm"] = case("non_saturating", "batch_norm", 0.1, "once", rng)
    golden = {"torch": torch.__version__.split("+")[0], "generator": GENERATOR, "cases": cases}
    rounded = json.loads(json.dumps(golden), parse_float=lambda s: float(f"{float(s):.13g}"))
    line = json.dumps(rounded, separators=(",", ":")).replace('],"', '],\n"')
    (HERE / "gan_golden.json").write_text(line + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
