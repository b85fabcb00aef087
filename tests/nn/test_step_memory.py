"""What a step is said to take, against the buffers that it is found to hold afterwards."""

import numpy as np
import pytest
from pydantic import TypeAdapter

from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import ProductTeam, Team
from dlkit.nn import optimizers
from dlkit.nn.layer_list import network
from dlkit.nn.optimizers import OPTIMIZERS
from dlkit.nn.parameter import Flat
from dlkit.nn.presets import ImageModel
from dlkit.nn.step import GradientStep
from dlkit.nn.summary import step_bytes
from dlkit.ops.losses import softmax_cross_entropy

MODEL = TypeAdapter(ImageModel)
ADAM = OPTIMIZERS.read("adam")
BLOCK = {"residual": {"layers": [{"conv": {"filters": 16, "pad": "same", "stride": 2}}, "batch_norm"]}}
NETWORKS = {
    "lenet": ("lenet", (28, 28, 1), 32),
    "residual": ([{"conv": 8}, "batch_norm", {"activation": "relu"}, BLOCK, "global_pool"], (16, 16, 3), 16),
    "wide": ([{"conv": {"filters": 128, "pad": "same"}}, {"conv": 128}, "global_pool"], (8, 8, 64), 8),
    "contrast": ([{"conv": 8}, {"local_contrast": 5}, {"average_pool": 2}, {"min_pool": 2}], (28, 28, 1), 16),
    "larger": (
        [{"dense": 392}, {"reshape": [7, 7, 8]}, {"conv_transpose": {"filters": 8, "size": 4, "stride": 2}},
         {"upsample": 2}, {"upsample": {"factor": 2, "how": "bilinear"}}, {"max_pool": 4}],
        (20,), 16,
    ),
}  # fmt: skip


def measured(name: str, team: Team, memory: int | None = None) -> tuple[int, int]:
    """(said, found) bytes of a step on a network."""
    specs, shape, rows = NETWORKS[name]
    backend, model = open_backend(), network(MODEL.validate_python(specs), shape, 10, unfold_memory=memory)
    flat = Flat.allocate(model, backend, Streams(1))
    step = GradientStep(model, optimizers.build(ADAM, flat), backend, team, Streams(1))
    x = np.random.default_rng(1).random((rows, *shape), np.float32)
    t = np.arange(rows) % 10

    def loss(tape, shard, mine):
        f = model(tape, tape.constant(x[mine]))
        return softmax_cross_entropy(tape, f, t[mine], 1 / rows)[0], None

    with team:
        step(rows, loss, 1e-3, (1, 1))
        kept = [flat.data, *step.gradients, *step.optimizer.slots.values(), x]
        found = sum(array.nbytes for array in kept) + sum(tape.buffer_bytes() for tape in step.tapes)
        found += team.hands.lanes._partial.nbytes
    return step_bytes(model, shape, rows, ADAM, team, backend), found


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("team", [lambda: ProductTeam(1, 2), lambda: Team(1, 2)], ids=["products", "batch"])
def test_a_steps_memory_is_what_is_said_of_it(name: str, team) -> None:
    said, found = measured(name, team())
    assert said == pytest.approx(found, rel=0.05)


def test_unfold_memory_bounds_what_a_step_holds() -> None:
    sizes = [measured("wide", ProductTeam(1, 2), memory) for memory in (100_000, 300_000, None)]
    for said, found in sizes:
        assert said == pytest.approx(found, rel=0.05)
    (_, least), (_, more), (_, most) = sizes
    assert least < more < most
    assert more - least <= 200_000
