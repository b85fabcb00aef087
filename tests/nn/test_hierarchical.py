"""A Huffman tree, and the distribution along its branches."""

import numpy as np
import pytest

from dlkit.autograd import Tape
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.nn.hierarchical import HierarchicalOutput, huffman
from dlkit.nn.parameter import Flat


def codes(paths) -> list[str]:
    bounds = zip(paths.starts[:-1].tolist(), paths.starts[1:].tolist(), strict=True)
    return ["".join(map(str, paths.branches[i:j].tolist())) for i, j in bounds]


def test_a_tree_known_from_textbooks() -> None:
    """Frequencies 45 13 12 16 9 5 (Cormen et al., section 16.3): lengths 1 3 3 3 4 4."""
    assert [len(code) for code in codes(huffman(np.array([45, 13, 12, 16, 9, 5])))] == [1, 3, 3, 3, 4, 4]


@pytest.mark.parametrize("counts", [[1, 1], [0, 7, 3], [5] * 16, list(range(40)), [2**k for k in range(12)]])
def test_no_code_begins_another_and_the_mean_is_near_the_entropy(counts: list[int]) -> None:
    found = codes(huffman(np.array(counts)))
    assert sum(2.0 ** -len(code) for code in found) == pytest.approx(1)  # the tree has no empty branch
    assert not any(a != b and b.startswith(a) for a in found for b in found)
    p = np.maximum(counts, 1) / np.maximum(counts, 1).sum()
    mean = float((p * [len(code) for code in found]).sum())
    entropy = float(-(p * np.log2(p)).sum())
    assert entropy - 1e-9 <= mean < entropy + 1


def test_one_symbol_is_no_tree() -> None:
    with pytest.raises(ValueError, match="2 symbols"):
        huffman(np.array([3]))


def test_probabilities_add_up_and_the_loss_is_theirs() -> None:
    output = HierarchicalOutput(np.array([4, 1, 2, 9, 3, 3, 1]), 5)
    backend = open_backend("cpu", dtype="float64")
    Flat.allocate(output, backend, Streams(1))
    rng = np.random.default_rng(0)
    output.weight.data[...] = rng.normal(size=(6, 5))
    output.bias.data[...] = rng.normal(size=(6, 1))
    tape = Tape(backend)
    h, labels = rng.normal(size=(4, 5)), np.array([3, 0, -1, 6])
    log_p = output.log_p(tape, h)
    np.testing.assert_allclose(np.exp(log_p).sum(1), 1)
    loss, (nll, _) = output.loss(tape, tape.constant(h), labels, 0.5)
    wanted = [-log_p[i, label] if label >= 0 else 0 for i, label in enumerate(labels.tolist())]
    np.testing.assert_allclose(nll, wanted, rtol=1e-12)
    assert float(loss.data) == pytest.approx(0.5 * sum(wanted))


def test_a_step_changes_the_nodes_on_its_paths_alone() -> None:
    output = HierarchicalOutput(np.array([9, 1, 1, 1, 1, 1, 1, 1]), 3)
    backend = open_backend("cpu")
    flat = Flat.allocate(output, backend, Streams(1))
    tape = Tape(backend, flat.gradient())
    tape.begin(training=True)
    loss, _ = output.loss(tape, tape.constant(np.ones((2, 3), np.float32)), np.array([0, 0]), 0.5)
    tape.backward(loss)
    paths = output.paths
    on_path = np.unique(paths.nodes[paths.starts[0] : paths.starts[1]])
    for name in ("weight", "bias"):
        (part,) = tape.row_parts[name]
        assert part.rows.tolist() == on_path.tolist()
