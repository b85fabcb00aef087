"""Write torch_recurrent_golden.json: states and gradients of recurrent stacks by PyTorch, in float64.

Run where PyTorch is installed: python tests/oracles/make_torch_recurrent_golden.py. The tests read the JSON
alone. Weights are stored as dlkit has them: transposed, PyTorch's two biases added up where they only act as
their sum, and a GRU's gates in the orders of dlkit/kernels/gru.py.
"""

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

HERE = Path(__file__).parent
STEPS, ROWS, INPUTS, UNITS = 4, 3, 3, 2
CELLS = {"tanh": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
CASES = {
    **{cell: {"cell": cell} for cell in CELLS},
    **{f"{cell}, one step": {"cell": cell, "steps": 1} for cell in CELLS},
    **{f"{cell}, padded": {"cell": cell, "lengths": [4, 1, 3]} for cell in CELLS},
    **{
        f"{cell}, two layers both ways": {
            "cell": cell, "layers": 2, "bidirectional": True, "lengths": [2, 4, 3],
        }
        for cell in CELLS
    },
}  # fmt: skip


def gates(cell: str, m: int) -> tuple[list[int], list[int]]:
    """Rows of PyTorch's input and state weights in dlkit's order; PyTorch's GRU has r, z, k."""
    parts = [list(range(k * m, (k + 1) * m)) for k in range({"tanh": 1, "lstm": 4, "gru": 3}[cell])]
    every = [i for part in parts for i in part]
    return ([*parts[2], *parts[0], *parts[1]] if cell == "gru" else every), every


def converted(cell: str, get) -> dict:
    """get(name) -> a PyTorch parameter's numbers or gradient: what dlkit's layers have."""
    into, state = gates(cell, UNITS)
    b_input, b_state = get("bias_ih"), get("bias_hh")
    made = {"weight": get("weight_ih")[into].T, "recurrent": get("weight_hh")[state].T}
    return made | {"b_input": b_input[into], "b_state": b_state}


def layer_values(cell: str, get) -> dict:
    made = converted(cell, get)
    b, state = made.pop("b_input"), made.pop("b_state")
    if cell == "gru":
        reset, update, candidate = (state[k * UNITS : (k + 1) * UNITS] for k in range(3))
        made["bias"] = b + np.concatenate([0 * candidate, reset, update])
        made["candidate_bias"] = candidate
    else:
        made["bias"] = b + state
    return made


def layer_gradients(cell: str, get) -> dict:
    """A bias that acts through a sum has the gradient of either part."""
    made = converted(cell, get)
    b, state = made.pop("b_input"), made.pop("b_state")
    made["bias"] = b
    if cell == "gru":
        made["candidate_bias"] = state[2 * UNITS :]
    return made


def case(options: dict, rng: np.random.Generator) -> dict:
    cell, steps = options["cell"], options.get("steps", STEPS)
    layers, both = options.get("layers", 1), options.get("bidirectional", False)
    net = CELLS[cell](INPUTS, UNITS, num_layers=layers, bidirectional=both)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.as_tensor(rng.normal(0, 0.7, p.shape)))
    draw = lambda *shape: torch.as_tensor(rng.normal(size=shape)).requires_grad_()  # noqa: E731
    count = layers * (1 + both)
    x, h0, c0 = draw(steps, ROWS, INPUTS), draw(count, ROWS, UNITS), draw(count, ROWS, UNITS)
    lengths = options.get("lengths", [steps] * ROWS)
    packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False)
    out, last = net(packed, (h0, c0) if cell == "lstm" else h0)
    y, _ = nn.utils.rnn.pad_packed_sequence(out, total_length=steps)
    last = last if cell == "lstm" else (last,)
    wy = torch.as_tensor(rng.normal(size=tuple(y.shape)))
    wl = [torch.as_tensor(rng.normal(size=tuple(s.shape))) for s in last]
    loss = (wy * y).sum() + sum((w * s).sum() for w, s in zip(wl, last, strict=True))
    loss.backward()
    named = dict(net.named_parameters())
    suffixes = [f"_l{k}{way}" for k in range(layers) for way in ("", "_reverse")[: 1 + both]]
    paths = [f"{k}.{cell}{way}" for k in range(layers) for way in ("", "_back")[: 1 + both]]

    def collected(function, of) -> dict:
        return {
            f"{path}.{name}": value.tolist()
            for path, suffix in zip(paths, suffixes, strict=True)
            for name, value in function(cell, lambda n, s=suffix: of(named[n + s])).items()
        }

    numbers = lambda a: a.detach().numpy()  # noqa: E731
    states = [h0, c0] if cell == "lstm" else [h0]
    return {
        **options, "x": x.tolist(), "first": [s.tolist() for s in states], "y": y.tolist(),
        "last": [s.tolist() for s in last], "wy": wy.tolist(), "wl": [w.tolist() for w in wl],
        "loss": loss.item(), "dx": x.grad.tolist(), "dfirst": [s.grad.tolist() for s in states],
        "parameters": collected(layer_values, numbers),
        "gradients": collected(layer_gradients, lambda p: numbers(p.grad)),
    }  # fmt: skip


def main() -> None:
    torch.set_default_dtype(torch.float64)
    rng = np.random.default_rng(31)
    golden = {"torch": torch.__version__.split("+")[0], "cases": {n: case(o, rng) for n, o in CASES.items()}}
    rounded = json.loads(json.dumps(golden), parse_float=lambda s: float(f"{float(s):.13g}"))
    text = json.dumps(rounded, separators=(",", ":")).replace('],"', '],\n"')
    (HERE / "torch_recurrent_golden.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
