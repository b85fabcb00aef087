"""Write vae_golden.json: one step's loss and gradients of variational autoencoders by PyTorch, in float64.

Run where PyTorch is installed: python tests/oracles/make_vae_golden.py. The tests read the JSON alone.
Weights are stored as dlkit has them, (n_in, n_out): the transpose of PyTorch's.
"""

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

HERE = Path(__file__).parent
ROWS, PIXELS, HIDDEN, LATENT = 7, 6, 5, 2
CASES = {
    "bernoulli": {"likelihood": "bernoulli", "beta": 1.0},
    "bernoulli, beta 4": {"likelihood": "bernoulli", "beta": 4.0},
    "gaussian": {"likelihood": "gaussian", "variance": 0.25, "beta": 1.0},
    "gaussian, learnt": {"likelihood": "gaussian", "variance": "learnt", "beta": 0.5},
}


def case(options: dict, rng: np.random.Generator) -> dict:
    layers = {
        "encoder.0.dense": nn.Linear(PIXELS, HIDDEN),
        "encoder.1.output": nn.Linear(HIDDEN, 2 * LATENT),
        "decoder.0.dense": nn.Linear(LATENT, HIDDEN),
        "decoder.1.output": nn.Linear(HIDDEN, PIXELS),
    }
    named = {f"{path}.{n}": p for path, layer in layers.items() for n, p in layer.named_parameters()}
    if options.get("variance") == "learnt":
        named["log_variance"] = nn.Parameter(torch.zeros(1))
    with torch.no_grad():
        for p in named.values():
            p.copy_(torch.as_tensor(rng.normal(0, 0.5, p.shape)))
    x, e = torch.as_tensor(rng.random((ROWS, PIXELS))), torch.as_tensor(rng.normal(size=(ROWS, LATENT)))
    mu, s = layers["encoder.1.output"](torch.relu(layers["encoder.0.dense"](x))).split(LATENT, dim=1)
    z = mu + torch.exp(s / 2) * e
    y = layers["decoder.1.output"](torch.relu(layers["decoder.0.dense"](z)))
    if options["likelihood"] == "bernoulli":
        nll = nn.functional.binary_cross_entropy_with_logits(y, x, reduction="none").sum(1)
    else:
        fixed = options["variance"]
        variance = named["log_variance"].exp() if fixed == "learnt" else torch.tensor([fixed])
        nll = -torch.distributions.Normal(y, variance.sqrt()).log_prob(x).sum(1)
    q = torch.distributions.Normal(mu, torch.exp(s / 2))
    kl = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum(1)
    loss = (nll + options["beta"] * kl).mean()
    loss.backward()

    def text(path: str, a: torch.Tensor) -> list:
        return (a.detach().numpy().T if path.endswith("weight") else a.detach().numpy()).tolist()

    return {
        **options, "x": x.tolist(), "e": e.tolist(), "loss": loss.item(),
        "reconstruction": nll.mean().item(), "kl": kl.mean().item(),
        "parameters": {path: text(path, p) for path, p in named.items()},
        "gradients": {path: text(path, p.grad) for path, p in named.items()},
    }  # fmt: skip


def main() -> None:
    torch.set_default_dtype(torch.float64)
    rng = np.random.default_rng(21)
    golden = {"torch": torch.__version__.split("+")[0], "cases": {n: case(o, rng) for n, o in CASES.items()}}
    rounded = json.loads(json.dumps(golden), parse_float=lambda s: float(f"{float(s):.13g}"))
    text = json.dumps(rounded, separators=(",", ":")).replace('],"', '],\n"')
    (HERE / "vae_golden.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
