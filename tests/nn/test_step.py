"""The training step: shards, threads, clipping, machines, numbers that are not finite, memory."""

import threading
import tracemalloc

import numpy as np
import pytest

from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import ProductTeam, Team
from dlkit.nn.layer_list import LAYERS, network
from dlkit.nn.optimizers import OPTIMIZERS, build
from dlkit.nn.parameter import Flat
from dlkit.nn.step import GradientStep, NonFiniteLoss, shard_rows, worthwhile_shards
from dlkit.ops.losses import softmax_cross_entropy

LAYER_LIST = [{"dense": 8}, "batch_norm", {"dropout": 0.3}, {"dense": {"units": 6, "activation": "tanh"}}]
QUIET = [{"dense": 8}, "batch_norm", {"dense": {"units": 6, "activation": "prelu"}}, "layer_norm"]
N, D, K = 23, 5, 3


class Run:
    """A model in training on a fixed table."""

    def __init__(self, layers, *, shards=2, threads=2, dtype="float64", optimizer=None, **options) -> None:
        rng = np.random.default_rng(5)
        self.x = rng.normal(size=(N, D)).astype(dtype)
        self.y = rng.integers(0, K, N)
        self.team, streams = Team(threads, shards), Streams(3)
        backend = open_backend("cpu", dtype=dtype)
        self.model = network([LAYERS.read(layer) for layer in layers], (D,), K)
        self.flat = Flat.allocate(self.model, backend, streams)
        self.optimizer = build(OPTIMIZERS.read(optimizer or {"name": "adam"}), self.flat, streams, N)
        self.step = GradientStep(self.model, self.optimizer, backend, self.team, streams, **options)

    def go(self, rows=range(N), step=1, lr=0.01, total_rows=None):
        x, y = self.x[rows], self.y[rows]
        weight = 1 / (total_rows or len(x))

        def loss(tape, shard, part):
            f = self.model(tape, tape.constant(x[part]))
            total, losses, _ = softmax_cross_entropy(tape, f, y[part], weight)
            return total, len(losses)

        return self.step(len(x), loss, lr, (1, step), total_rows=total_rows)

    def close(self) -> None:
        self.team.close()


def trained(steps=4, **options) -> Run:
    run = Run(**options)
    run.losses = [run.go(step=k) for k in range(1, steps + 1)]
    run.close()
    return run


@pytest.mark.parametrize(("rows", "shards"), [(10, 3), (2, 3), (0, 2), (7, 7), (8, 1)])
def test_shards_cover_the_rows_in_order(rows: int, shards: int) -> None:
    parts = [shard_rows(rows, shards, s) for s in range(shards)]
    assert [r for part in parts for r in range(rows)[part]] == list(range(rows))
    sizes = [part.stop - part.start for part in parts]
    assert sizes == sorted(sizes, reverse=True)
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    ("products", "rows", "threads", "shards"),
    [(669_000, 128, 2, 2), (669_000, 128, 64, 16), (9_000, 128, 8, 1), (10**9, 3, 8, 3), (0, 0, 4, 1)],
)
def test_small_work_is_not_shared_out(products: int, rows: int, threads: int, shards: int) -> None:
    assert worthwhile_shards(products, rows, threads) == shards


def test_products_are_worth_sharing_out_sooner() -> None:
    assert worthwhile_shards(40_000, 128, 2, "products") == 2
    assert worthwhile_shards(40_000, 128, 2, "batch") == 1


@pytest.mark.parametrize("optimizer", [{"name": "adam"}, {"name": "adam", "clip": 0.1, "weight_decay": 0.01}])
def test_cut_products_train_alike_on_any_number_of_threads(optimizer: dict) -> None:
    """Their bits depend on the parts; up to rounding they are those of whole products."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(128, 80)).astype("float32"), rng.integers(0, K, 128)

    def weights(team: Team) -> np.ndarray:
        backend, streams = open_backend("cpu"), Streams(3)
        layers = [{"dense": 200}, "batch_norm", {"dropout": 0.2}, {"dense": 150}]
        model = network([LAYERS.read(layer) for layer in layers], (80,), K)
        flat = Flat.allocate(model, backend, streams)
        spec = OPTIMIZERS.read(optimizer)
        step = GradientStep(model, build(spec, flat, streams, 128), backend, team, streams, clip=spec.clip)

        def loss(tape, shard, part):
            total, *_ = softmax_cross_entropy(tape, model(tape, tape.constant(x[part])), y[part], 1 / 128)
            return total, None

        for k in range(1, 6):
            step(128, loss, 0.01, (1, k))
        team.close()
        return flat.data

    one, two, three = (weights(ProductTeam(threads, 3)) for threads in (1, 2, 3))
    assert one.tobytes() == two.tobytes() == three.tobytes()
    np.testing.assert_allclose(one, weights(Team(1, 1)), atol=2e-3)


def test_loss_falls() -> None:
    run = trained(steps=40, layers=QUIET, dtype="float32")
    assert run.losses[-1] < 0.5 * run.losses[0]


@pytest.mark.parametrize("shards", [2, 3, 5])
def test_shards_compute_what_one_batch_computes(shards: int) -> None:
    """To rounding: batch normalisation takes its statistics over all shards, forwards and backwards."""
    one, many = (trained(layers=QUIET, shards=s) for s in (1, shards))
    np.testing.assert_allclose(many.losses, one.losses, rtol=1e-12)
    for path, value in one.model.state().items():
        np.testing.assert_allclose(many.model.state()[path], value, rtol=1e-8, atol=1e-10, err_msg=path)


@pytest.mark.parametrize(
    "options", [{}, {"clip": 0.05}, {"optimizer": {"name": "adam", "weight_decay": 0.1}}]
)
def test_threads_do_not_change_a_bit(options) -> None:
    runs = [trained(layers=LAYER_LIST, shards=3, threads=t, dtype="float32", **options) for t in (1, 2, 3)]
    for other in runs[1:]:
        assert other.losses == runs[0].losses
        assert other.flat.data.tobytes() == runs[0].flat.data.tobytes()
        for path, value in runs[0].model.state().items():
            assert other.model.state()[path].tobytes() == value.tobytes(), path


def test_fewer_rows_than_shards() -> None:
    one, many = (Run(QUIET, shards=s, optimizer={"name": "sgd"}) for s in (1, 4))
    losses = [run.go(range(2)) for run in (one, many)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)
    np.testing.assert_allclose(many.flat.data, one.flat.data, rtol=1e-8, atol=1e-12)
    assert many.step.results == [1, 1, 0, 0]
    one.close(), many.close()


def test_running_statistics_are_updated_once() -> None:
    runs = [trained(steps=1, layers=["batch_norm"], shards=s) for s in (1, 3)]
    x = runs[0].x
    for run in runs:
        state = run.model.state()
        np.testing.assert_allclose(state["0.batch_norm.running_mean"], 0.1 * x.mean(0), rtol=1e-10)
        np.testing.assert_allclose(
            state["0.batch_norm.running_var"], 0.9 + 0.1 * x.var(0, ddof=1), rtol=1e-10
        )


def test_noise_differs_between_steps_and_shards_and_repeats_with_the_seed() -> None:
    a, b = (trained(layers=LAYER_LIST, dtype="float32") for _ in range(2))
    assert a.losses == b.losses
    still = Run(LAYER_LIST)
    losses = {still.go(step=k, lr=0.0) for k in (1, 2, 3)}
    assert len(losses) == 3
    assert still.go(step=2, lr=0.0) in losses
    still.close()


def test_clipping_scales_the_whole_gradient() -> None:
    sgd = {"name": "sgd"}
    free, clipped = Run(QUIET, optimizer=sgd), Run(QUIET, optimizer=sgd, clip=0.01)
    start = free.flat.data.copy()
    free.go(lr=1.0), clipped.go(lr=1.0)
    moved, less = free.flat.data - start, clipped.flat.data - start
    norm = np.linalg.norm(moved)
    assert clipped.step.norm == pytest.approx(norm, rel=1e-10)
    assert np.linalg.norm(less) == pytest.approx(0.01, rel=1e-10)
    np.testing.assert_allclose(less, moved * 0.01 / norm, rtol=1e-9, atol=1e-15)
    loose = Run(QUIET, optimizer=sgd, clip=1e9)
    loose.go(lr=1.0)
    np.testing.assert_allclose(loose.flat.data, free.flat.data, rtol=1e-12, atol=1e-14)
    free.close(), clipped.close(), loose.close()


class Ring:
    """Two machines in one process: sums meet at a barrier, like an all-reduce."""

    def __init__(self, size: int) -> None:
        self.size, self.parts = size, [None] * size
        self.barrier = threading.Barrier(size)

    def member(self, rank: int):
        ring = self

        class Member:
            size = ring.size

            def all_sum(self, array) -> None:
                ring.parts[rank] = array.copy()
                ring.barrier.wait(20)
                array[...] = sum(ring.parts[1:], ring.parts[0])
                ring.barrier.wait(20)

        member = Member()
        member.rank = rank
        return member


@pytest.mark.parametrize("clip", [None, 0.05])
def test_two_machines_compute_what_one_computes(clip: float | None) -> None:
    one = Run(QUIET, shards=1, clip=clip)
    expected = [one.go(step=k) for k in (1, 2, 3)]
    ring = Ring(2)
    machines = [Run(QUIET, shards=2, comm=ring.member(r), clip=clip) for r in range(2)]
    losses: list = [None, None]

    def work(rank: int) -> None:
        rows = range(N)[shard_rows(N, 2, rank)]
        losses[rank] = [machines[rank].go(rows, step=k, total_rows=N) for k in (1, 2, 3)]

    threads = [threading.Thread(target=work, args=(r,)) for r in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    np.testing.assert_allclose(losses[0], expected, rtol=1e-11)
    assert losses[0] == losses[1]
    for machine in machines:
        np.testing.assert_allclose(machine.flat.data, one.flat.data, rtol=1e-8, atol=1e-12)
        machine.close()
    one.close()


def parameter(run: Run, path: str) -> np.ndarray:
    return dict(run.model.parameters())[path].data


@pytest.mark.parametrize(
    ("spoil", "first"),
    [
        (lambda run: run.x.__setitem__((3, 1), np.nan), "input"),
        (lambda run: parameter(run, "2.dense.weight").__setitem__((0, 0), np.inf), "2.dense.weight"),
        (lambda run: parameter(run, "1.batch_norm.bias").fill(1e308), "2.dense"),
    ],
)
@pytest.mark.filterwarnings("error")  # the one line of the error says it all
def test_not_finite_is_told_by_name_before_the_update(spoil, first: str) -> None:
    run = Run(QUIET)
    spoil(run)
    before = run.flat.data.copy()
    with pytest.raises(NonFiniteLoss) as caught:
        run.go()
    assert caught.value.arrays[0] == first
    assert not np.isfinite(caught.value.value)
    np.testing.assert_array_equal(run.flat.data, before)
    run.close()


@pytest.mark.parametrize("shards", [1, 2])
def test_a_step_allocates_next_to_nothing(shards: int) -> None:
    run = Run([{"dense": 64}, {"dense": 64}], shards=shards, dtype="float32")
    for k in range(3):
        run.go(step=k + 1)
    held = [tape.buffer_bytes() for tape in run.step.tapes]
    tracemalloc.start()
    run.go(step=4)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    for k in range(5):
        run.go(step=k + 5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # views and Python objects; one activation alone has 23 * 64 * 4 bytes = 6 kB, the gradient 19 kB a shard
    assert peak - before < 16_000
    assert [tape.buffer_bytes() for tape in run.step.tapes] == held
    run.close()
