"""Whole training steps on the stand-in give what the CPU gives, and never make the host wait."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from cuda_on_cpu.module import missing_compiler
from cupy_stand_in.counts import counts
from cupy_stand_in.module import installed
from pydantic import TypeAdapter

from dlkit.autograd import Tape, Variable
from dlkit.backend import Backend, open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team
from dlkit.nn import optimizers
from dlkit.nn.layer_list import network
from dlkit.nn.optimizers import OPTIMIZERS, OptimizerSpec
from dlkit.nn.parameter import Flat
from dlkit.nn.presets import ImageModel
from dlkit.nn.step import GradientStep
from dlkit.ops.losses import gaussian_nll, sigmoid_cross_entropy, softmax_cross_entropy, squared_error

pytestmark = pytest.mark.skipif(missing_compiler() is not None, reason=str(missing_compiler()))
ROWS, INPUTS, STEPS = 21, 5, 4
DENSE = [{"dense": 8}, {"dense": {"units": 7, "activation": "tanh"}}]
NETWORKS: dict[str, list[Any]] = {
    "every activation": [
        {"dense": {"units": 6, "activation": kind}}
        for kind in ("identity", "relu", "leaky_relu", "prelu", "sigmoid", "tanh")
    ],
    "activations apart": [
        layer
        for kind in ("identity", "relu", "leaky_relu", "prelu", "sigmoid", "tanh")
        for layer in ({"dense": {"units": 6, "activation": "identity"}}, {"activation": kind})
    ],
    "normalised": [{"dense": 8}, "batch_norm", {"dense": 7}, "layer_norm"],
    "noisy": [
        {"dense": {"units": 9, "drop_connect": 0.3}}, {"dropout": 0.4},
        {"dense": 7}, {"gaussian_dropout": 0.2},
    ],
}  # fmt: skip
IMAGE = 8
IMAGES: dict[str, list[Any]] = {
    "convolutions": [
        {"conv": {"filters": 4, "pad": "same"}}, {"max_pool": 2},
        {"conv": {"filters": 9, "activation": "prelu"}}, {"conv": {"filters": 4, "size": 1, "bias": False}},
    ],
    "in groups": [
        {"conv": {"filters": 10, "pad": 1, "stride": [2, 1], "activation": "tanh"}},
        {"conv": {"filters": 10, "groups": 5, "pad": "same"}},
        {"min_pool": {"size": 3, "stride": 2, "pad": 1}},
    ],
    "pooled and enlarged": [
        {"conv": {"filters": 3, "pad": "same"}}, {"max_pool": {"size": 3, "stride": 2}}, {"upsample": 2},
        {"upsample": {"factor": 2, "how": "bilinear"}}, {"average_pool": 2}, {"global_pool": "max"},
    ],
    "transposed": [
        {"conv": {"filters": 3, "stride": 2}},
        {"conv_transpose": {"filters": 4, "size": 4, "stride": 2, "pad": 1, "groups": 1}}, "batch_norm",
    ],
    "contrast": [{"local_contrast": 3}, {"conv": {"filters": 4}}, {"local_contrast": {"divisive": False}}],
    "residual": [
        {"residual": {"layers": [{"conv": {"filters": 4, "stride": 2, "pad": 1}}, "batch_norm"]}},
        "global_pool",
    ],
}  # fmt: skip
LOSSES = ("softmax", "sigmoid", "squared", "gaussian")


@pytest.fixture(autouse=True)
def stand_in() -> Iterator[None]:
    with installed():
        yield


def train(
    device: str, layers: list[Any], rule: dict[str, Any], *, loss: str = "softmax", shards: int = 2,
    dtype: str = "float32", shape: tuple[int, ...] = (INPUTS,),
) -> tuple[dict[str, np.ndarray], np.ndarray, int]:  # fmt: skip
    """STEPS steps; the parameters, the last rows' losses, and how often the host waited during the steps."""
    backend, streams, team = open_backend(device, dtype=dtype), Streams(3), Team(1, shards)
    rng = np.random.default_rng(0)
    x = backend.asarray(rng.standard_normal((ROWS, *shape)).astype(dtype))
    y = backend.asarray(_targets(loss, rng, dtype))
    specs = TypeAdapter(ImageModel).validate_python(layers)
    model = network(specs, shape, 4, unfold_memory=5000)
    flat = Flat.allocate(model, backend, streams)
    spec = TypeAdapter(OptimizerSpec).validate_python(rule)
    step = GradientStep(
        model, optimizers.build(spec, flat, streams, ROWS), backend, team, streams, clip=spec.clip
    )

    def loss_of(tape: Tape, shard: int, rows: slice) -> tuple[Variable, Any]:
        f = model(tape, tape.constant(x[rows]))
        return _loss(loss)(tape, f, y[rows], 1 / ROWS)[:2]

    before = counts.syncs
    for k in range(STEPS):
        step(ROWS, loss_of, 0.01, (1, k + 1))
    waited = counts.syncs - before
    losses = np.concatenate([backend.to_host(result) for result in step.results])
    team.close()
    return flat.split(flat.data), losses, waited


def _targets(loss: str, rng: np.random.Generator, dtype: str) -> np.ndarray:
    if loss == "softmax":
        return rng.integers(0, 4, ROWS)
    if loss == "sigmoid":
        return rng.integers(0, 2, (ROWS, 4)).astype(dtype)
    return rng.standard_normal((ROWS, 4 if loss == "squared" else 2)).astype(dtype)


def _loss(name: str) -> Any:
    return {"softmax": softmax_cross_entropy, "sigmoid": sigmoid_cross_entropy, "squared": squared_error,
            "gaussian": gaussian_nll}[name]  # fmt: skip


def agree(*args: Any, waits: int = 0, **kwargs: Any) -> None:
    tolerance = 1e-9 if kwargs.get("dtype") == "float64" else 2e-4
    cpu, cpu_losses, _ = train("cpu", *args, **kwargs)
    gpu, gpu_losses, waited = train("gpu", *args, **kwargs)
    assert waited <= waits, counts.waits
    np.testing.assert_allclose(gpu_losses, cpu_losses, rtol=tolerance, atol=tolerance)
    for path, expected in cpu.items():
        np.testing.assert_allclose(gpu[path], expected, rtol=tolerance, atol=tolerance, err_msg=path)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layers", NETWORKS.values(), ids=NETWORKS)
def test_layers(layers: list[Any], dtype: str) -> None:
    agree(layers, {"name": "sgd"}, dtype=dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layers", IMAGES.values(), ids=IMAGES)
def test_layers_of_images(layers: list[Any], dtype: str) -> None:
    agree(layers, {"name": "sgd"}, dtype=dtype, shape=(IMAGE, IMAGE, 2))


@pytest.mark.parametrize("name", sorted(OPTIMIZERS.kinds))
def test_optimizers(name: str) -> None:
    agree(DENSE, {"name": name, "weight_decay": 0.01})


@pytest.mark.parametrize("loss", LOSSES)
def test_losses(loss: str) -> None:
    agree(DENSE, {"name": "adam"}, loss=loss)


def test_clipping_waits_for_the_norm_only() -> None:
    agree(DENSE, {"name": "adam", "clip": 0.05}, waits=STEPS)


def test_more_shards_than_rows_of_the_last_batch() -> None:
    agree(DENSE, {"name": "adam"}, shards=ROWS + 2)


def test_kernels_do_the_work() -> None:
    train("gpu", DENSE, {"name": "adam"})
    assert {"bias_activation", "softmax_cross_entropy"} <= set(counts.kernels), counts.kernels
    backend: Backend = open_backend("gpu")
    assert backend.peak_memory() > 0
