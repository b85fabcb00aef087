"""dlkit export of what is no network graph: tables as CSV, arrays as NPZ, weights that begin another run."""

import io
from pathlib import Path

import numpy as np
import pytest

from dlkit.training.checkpoint import load
from dlkit.training.driver import open_run
from tests.cli.calling import DATA, RECIPES, call, error_line, good, sets, table


def arrays(run: Path, name: str) -> dict[str, np.ndarray]:
    """The arrays of an exported file, which is the same bytes twice."""
    first = (exported(run, "npz")[name]).read_bytes()
    assert exported(run, "npz")[name].read_bytes() == first
    with np.load(io.BytesIO(first)) as file:
        return {key: file[key] for key in file.files}


def exported(run: Path, form: str | None = None) -> dict[str, Path]:
    """Paths by name, as they are printed."""
    done = good("export", run, *([] if form is None else ["--format", form]))
    paths = [Path(line) for line in done.stdout.splitlines()]
    assert all(path.parent == run / "export" for path in paths)
    return {path.name: path for path in paths}


def rows(path: Path) -> list[dict[str, str]]:
    return table(path.read_text(encoding="utf-8"))


def numbers(path: Path, *names: str) -> np.ndarray:
    """The columns of a table that are not named, as numbers; an empty cell is NaN."""
    return np.array([[float(v or "nan") for k, v in row.items() if k not in names] for row in rows(path)])


# -- tables ----------------------------------------------------------------------------------------------
def test_factors(tmp_path: Path) -> None:
    run = tmp_path / "因子"
    quiet = sets(epochs=3, model__factors=2, files__csv="false", files__npz="false")
    lines = ["user,item,rating", *(f"u{k % 5},本{k % 4},{k % 3 + 1}" for k in range(17))]
    (tmp_path / "r.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    good("mf", tmp_path / "r.csv", "-o", run, "-q", *quiet)
    found, kept = exported(run), load(run / "checkpoint.h5").tree["state"]
    assert list(found) == ["user_factors.csv", "item_factors.csv"]
    parts = arrays(run, "factors.npz")
    assert parts["users"].tolist() == list(kept["users"]) and parts["q"].shape == (len(parts["items"]), 2)
    np.testing.assert_array_equal(
        numbers(found["user_factors.csv"], "user", "bias").astype(np.float32), parts["p"]
    )
    predicted = table(good("predict", run, tmp_path / "r.csv").stdout)[0]
    u, i = parts["users"].tolist().index(predicted["user"]), parts["items"].tolist().index(predicted["item"])
    value = parts["mu"] + parts["bu"][u] + parts["bi"][i] + parts["p"][u] @ parts["q"][i]
    assert float(predicted["rating"]) == pytest.approx(value, abs=1e-5)


def test_topics(tmp_path: Path) -> None:
    run = tmp_path / "run"
    quiet = sets(pictures="false", topics=3, epochs=2, text__no_below=1, text__no_above=1.0)
    (tmp_path / "d.txt").write_text("ねこ いぬ ねこ\nいぬ いぬ とり\nとり ねこ two\n" * 4, encoding="utf-8")
    good("lda", tmp_path / "d.txt", "-o", run, "-q", *quiet)
    found, parts = exported(run, "csv"), arrays(run, "topics.npz")
    words = rows(found["topic_words.csv"])
    assert [row["word"] for row in words] == parts["words"].tolist()
    phi = numbers(found["topic_words.csv"], "word")
    np.testing.assert_allclose(phi.sum(0), 1)
    np.testing.assert_allclose(phi.T, parts["phi"], rtol=1e-6)
    assert len(rows(found["doc_topics.csv"])) == len(parts["theta"]) == 12


@pytest.mark.parametrize("function", ["table", "{name: mlp, model: [{dense: 4}], steps: 20, warm_up: 10}"])
def test_action_values(function: str, tmp_path: Path) -> None:
    run, short = tmp_path / "run", sets(episodes=30, epochs=2, seeds=2, pictures="false", function=function)
    (tmp_path / "t.csv").write_text("a,left,a,1,-1\na,right,b,1,0\nb,right,end,1,1\n", encoding="utf-8")
    good("qlearn", tmp_path / "t.csv", "-o", run, "-q", *short)
    parts = arrays(run, "qtable.npz")
    assert parts["states"].tolist() == ["a", "b", "end"] and parts["actions"].tolist() == ["left", "right"]
    assert parts["q"].shape == (2, 3, 2) and np.isnan(parts["q"][:, 1, 0]).all(), "b has no left"
    mine = rows(run / "qtable.csv")
    answering = parts["q"][int(parts["agent"]) - 1]
    assert [float(row["right"]) for row in mine] == answering[:2, 1].tolist()
    found = exported(run)["qtable.csv"]
    assert [row["agent"] for row in rows(found)] == ["1", "1", "2", "2"]
    np.testing.assert_array_equal(numbers(found, "agent", "state"), parts["q"][:, :2].reshape(4, 2))
    names = sorted(path.name for path in (run / "export").iterdir())
    assert names == ["qtable.csv", "qtable.npz", *(["weights.npz"] if "mlp" in function else [])]


def test_what_naive_bayes_has_counted(tmp_path: Path) -> None:
    lines = ["kind,wet,size", *(f"{'ab'[k % 2]},{'yn'[k % 3 > 0]},{k % 2 * 5 + k}" for k in range(30))]
    (tmp_path / "d.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    good("bayes-nb", tmp_path / "d.csv", "-o", tmp_path / "run", "-q", "--label", "kind")
    found, parts = exported(tmp_path / "run"), arrays(tmp_path / "run", "bayes-nb.npz")
    assert list(found) == ["classes.csv", "likelihoods.csv", "normals.csv"]
    assert parts["classes"].tolist() == ["a", "b"] and parts["features"].tolist() == ["wet=n", "wet=y"]
    np.testing.assert_allclose(np.exp(parts["log_p"]).sum(0), 1)
    np.testing.assert_array_equal(numbers(found["likelihoods.csv"], "feature"), parts["log_p"])
    normal = numbers(found["normals.csv"], "column", "class")
    np.testing.assert_array_equal(normal, np.column_stack([parts["mean"][0], parts["variance"][0]]))
    assert parts["mean"][0].tolist() == [14, 20]


@pytest.mark.parametrize(
    ("data", "policy", "files"),
    [("arms", "thompson", {"alpha", "beta"}), ("arms", "epsilon_greedy", {"t", "estimates/mean"}),
     ("golf", "linucb", {"mu", "root"}), ("golf", "thompson_dropout", {"model/0.dense.weight", "rounds"})],
)  # fmt: skip
def test_what_a_bandit_believes(data: str, policy: str, files: set[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    good("bandit", DATA / f"{data}.csv", "-o", run, "-q", "--runs", 2, "--steps", 40, "--epochs", 1,
         *sets(policy=policy))  # fmt: skip
    parts = arrays(run, "policies.npz")
    assert files < set(parts) and all(len(parts[name]) == 2 for name in files), "a row a run"
    if policy == "thompson_dropout":
        assert "no weights to be a table" in error_line(call("export", run), 2)
        return
    found = exported(run)
    if data == "arms":
        row = rows(found["arms.csv"])[0]
        assert list(row) == ["run", "arm", "mean", "sd"] and row["arm"] == parts["arms"][0]
    else:
        assert numbers(found["weights.csv"], "run", "arm").shape == (4, parts["mu"].shape[2])
        assert list(rows(found["weights.csv"])[0])[-1] == "constant"
    if policy == "thompson":
        mean = parts["alpha"] / (parts["alpha"] + parts["beta"])
        np.testing.assert_allclose(numbers(found["arms.csv"], "run", "arm")[:, 0], mean.ravel())


def test_an_active_run_exports_as_its_learner(tmp_path: Path) -> None:
    given = sets(learner="bayes-nb", epochs=1, query=2, start=4)
    good("active", DATA / "golf.csv", "--test", 4, "-o", tmp_path / "run", "-q", *given)
    assert "bayes-nb.npz" in exported(tmp_path / "run", "npz")


# -- weights ---------------------------------------------------------------------------------------------
RNN = ["-q", "--units", 6, "--embedding", 4, *sets(steps=8, batch=4)]
PAIRS = ["-q", "--units", 4, "--embedding", 4, "--epochs", 1, "--batch", 100,
         *sets(source_words="characters", target_words="characters")]  # fmt: skip
VAE = ["-q", "--label=-1", "--set", "data.shape=[8, 8]", "--latent", 2, *sets(data__test=0.8),
       *sets(encoder="[{dense: 4}]", decoder="[{dense: 4}]")]  # fmt: skip
STAYS = sets(optimizer="{name: sgd, lr: 1e-12}", epochs=1)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    (folder / "t.txt").write_text("いろはにほへと ちりぬるを\n" * 20, encoding="utf-8")
    lines = (DATA / "reversed-digits.tsv").read_text(encoding="utf-8").splitlines()[:100]
    (folder / "p.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("command", "source", "flags"),
    [("rnn", "t.txt", RNN), ("seq2seq", "p.tsv", PAIRS), ("vae", DATA / "digits.csv", VAE)],
)
def test_a_network_begins_with_the_weights_of_another(
    command: str, source: str, flags: list[object], texts: Path, tmp_path: Path
) -> None:
    good(command, texts / source, "-o", tmp_path / "first", *flags, *sets(epochs=1))
    before = load(tmp_path / "first" / "checkpoint.h5").tree["state"]["model"]
    parts = arrays(tmp_path / "first", "weights.npz")
    assert parts.keys() == before.keys() and all((parts[k] == before[k]).all() for k in parts)
    given = ["--start", tmp_path / "first" / "export" / "weights.npz", *flags, *STAYS]
    good(command, texts / source, "-o", tmp_path / "second", *given)
    after = load(tmp_path / "second" / "checkpoint.h5").tree["state"]["model"]
    for path, kept in before.items():
        np.testing.assert_allclose(after[path], kept, atol=1e-8, err_msg=path)
    assert "the same bytes" in good("reproduce", tmp_path / "second").stdout
    good(command, texts / source, "-o", tmp_path / "third", "--start", tmp_path / "first", *flags, *STAYS)
    np.savez(tmp_path / "w.npz", **{"none.weight": np.zeros(2)})
    wrong = ["-o", tmp_path / "fourth", "--start", tmp_path / "w.npz", *flags]
    assert "none.weight: the network has no parameter" in error_line(call(command, texts / source, *wrong), 1)


def test_words_behind_the_numbers(texts: Path, tmp_path: Path) -> None:
    good("rnn", texts / "t.txt", "-o", tmp_path / "run", *RNN, *sets(epochs=1))
    symbols = rows(exported(tmp_path / "run", "csv")["symbols.csv"])
    algorithm, _ = open_run(tmp_path / "run")
    assert [row["symbol"] for row in symbols][1:] == algorithm.symbols.texts[1:]
    assert (
        symbols[3]["number"] == "3" and len(symbols) == algorithm.network.state()["embedding.weight"].shape[0]
    )


def test_formats_that_there_are_not(tmp_path: Path) -> None:
    good("apriori", RECIPES / "apriori-article.yaml", "-o", tmp_path / "rules", "-q")
    assert "dlkit export has no answer for a run of apriori" in error_line(
        call("export", tmp_path / "rules"), 2
    )
    good("bayes-nb", DATA / "golf.csv", "-o", tmp_path / "run", "-q")
    line = error_line(call("export", tmp_path / "run", "--format", "onnx"), 2)
    assert line == "--format: no format onnx; there are csv, npz"
