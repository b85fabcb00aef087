"""The peer of the train-mlp-cli and startup rows: a training script in PyTorch as people write it.

It reads x and y from an .npz file, trains an MLP in shuffled batches, and saves the weights.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.measure import say
from benchmarks.mlp import Sizes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(asked.threads)
    with np.load(asked.data) as arrays:
        x = torch.from_numpy(arrays["x"]).float().div_(255)
        y = torch.from_numpy(arrays["y"])
    sizes = Sizes()
    a, b, c, k = sizes.layers
    model = nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Linear(b, c), nn.ReLU(), nn.Linear(c, k))
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(asked.epochs):
        loss_sum = torch.zeros(())
        for rows in torch.randperm(len(x)).split(sizes.batch):
            adam.zero_grad()
            loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
            loss.backward()
            adam.step()
            loss_sum += loss.detach() * len(rows)
    torch.save(model.state_dict(), asked.weights)
    say(train_loss=float(loss_sum) / len(x))


if __name__ == "__main__":
    main()
