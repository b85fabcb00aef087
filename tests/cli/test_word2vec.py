"""word2vec as a user meets it: text from anywhere, answers, mistakes in one line, runs that go on where they
stopped."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from dlkit.readers.word_vectors import read_vectors
from tests.cli.calling import DATA, RECIPES, call, error_line, figures, good, metrics, sets, summary, table

QUICK = ["--dim", 8, "--set", "map=null", "-q"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("word2vec") / "demo"
    good("word2vec", RECIPES / "word2vec-demo.yaml", "-o", directory, "-q")
    return directory


def nearest(run: object, *arguments: object) -> list[str]:
    return [row["word"] for row in table(good("similar", run, *arguments).stdout)]


def test_the_demo_learns_who_is_who(demo: Path) -> None:
    assert nearest(demo, "--analogy", "king", "-", "man", "+", "woman", "--top", 1) == ["queen"]
    assert nearest(demo, "--analogy", "Paris - France + Japan", "--method", "mul", "--top", 1) == ["Tokyo"]
    assert set(nearest(demo, "whale", "--top", 3)) == {"shark", "dolphin", "octopus"}
    odd = table(good("similar", demo, "--odd-one-out", "bread", "milk", "whale", "honey").stdout)
    assert odd[0]["word"] == "whale"
    assert (demo / "map.png").read_bytes().startswith(b"\x89PNG")


def test_nearest_and_farthest(demo: Path) -> None:
    rows = table(good("similar", demo, "cat", "--farthest", "--top", 4).stdout)
    near, far = ([float(r["cosine"]) for r in rows if r["end"] == end] for end in ("nearest", "farthest"))
    assert near == sorted(near, reverse=True) and far == sorted(far)
    assert min(near) > max(far) and len(near) == len(far) == 4


def test_questions_from_files(demo: Path, tmp_path: Path) -> None:
    (tmp_path / "questions.txt").write_text(
        ": sex\nking queen man woman\nman woman king queen\n: capital\nFrance Paris Japan Tokyo\n"
        "France Paris Atlantis Poseidonis\n",
        encoding="utf-8",
    )
    (tmp_path / "pairs.tsv").write_text(
        "word1\tword2\tscore\nwhale\tshark\t9\nwhale\ttea\t1\nKING\tqueen\t8\nx\ty\t1\n"
    )
    found = figures(demo, "--analogies", tmp_path / "questions.txt", "--pairs", tmp_path / "pairs.tsv")
    assert found["analogy_questions"] == 3 and found["analogy_unknown"] == 1
    assert found["test_analogy_accuracy"] == 1.0 and found["analogy[capital]"] == 1.0
    assert found["pairs[pairs]"] == 3 and found["pairs_unknown[pairs]"] == 1
    assert found["test_spearman[pairs]"] > 0.4
    (tmp_path / "bad.txt").write_text("king queen man\n")
    line = error_line(call("evaluate", demo, "--analogies", tmp_path / "bad.txt"), 1)
    assert line.endswith("bad.txt:1: expected four words, found 3")
    assert "nothing to ask" in error_line(call("evaluate", demo), 2)


def test_files_of_vectors_are_asked_like_runs(demo: Path, tmp_path: Path) -> None:
    for name in ("word2vec", "word2vec-binary"):
        path = tmp_path / f"{name}.vec"
        good("export", demo, "--format", name, "-o", path)
        assert nearest(path, "whale", "--top", 3) == nearest(demo, "whale", "--top", 3)
        back = read_vectors(path)
        assert back.words == read_vectors(demo / "vectors.txt").words
        np.testing.assert_array_equal(back.vectors, read_vectors(demo / "vectors.txt").vectors)
    good("export", demo, "--format", "npz", "-o", tmp_path / "v.npz")
    with np.load(tmp_path / "v.npz") as arrays:
        assert arrays["vectors"].shape == (180, 32)
    assert "no format is called x" in error_line(call("export", demo, "--format", "x"), 2)


def test_metrics_tell_loss_rate_and_words(demo: Path) -> None:
    rows = metrics(demo)
    losses = [float(row["train_loss"]) for row in rows]
    assert losses[-1] < losses[0] < 6 * np.log(2) + 0.01
    assert float(rows[-1]["train_lr"]) == pytest.approx(1e-4)
    assert int(rows[-1]["train_words"]) == 30 * 45_833


def exact(directory: Path) -> list[bytes]:
    return [
        (directory / name).read_bytes()
        for name in ("checkpoint.h5", "metrics.csv", "vectors.txt", "summary.json")
    ]


HOWS = {
    "skip-gram": ["--set", "pieces=4", "--set", "piece_words=3000"],
    "cbow hierarchical": ["--model", "cbow", "--objective", "hierarchical"],
    "documents": ["--docs", "--set", "pieces=3", "--set", "doc_words=false"],
    "softmax": ["--objective", "softmax", "--max-vocab", 20],
}


@pytest.mark.parametrize("how", HOWS)
def test_resumed_runs_end_with_the_same_bytes_on_any_threads(tmp_path: Path, how: str) -> None:
    text = tmp_path / "text.txt"
    text.write_text(
        "".join((DATA / "sentences.txt").open(encoding="utf-8").readlines()[:1500]), encoding="utf-8"
    )
    arguments = ["word2vec", text, *QUICK, *HOWS[how]]
    good(*arguments, "-o", tmp_path / "whole", "--epochs", 3, "--threads", 1)
    good(*arguments, "-o", tmp_path / "threads", "--epochs", 3, "--threads", 2)
    kept = exact(tmp_path / "whole")
    assert [kept[1], kept[2], kept[3]] == exact(tmp_path / "threads")[1:]
    good(*arguments, "-o", tmp_path / "part", "--epochs", 2, "--set", "min_lr=0.025", "--threads", 1)
    good(
        *arguments,
        "-o",
        tmp_path / "part",
        "--epochs",
        3,
        "--set",
        "min_lr=0.025",
        "--threads",
        2,
        "--resume",
    )
    good(*arguments, "-o", tmp_path / "flat", "--epochs", 3, "--set", "min_lr=0.025", "--threads", 1)
    assert exact(tmp_path / "part")[1:3] == exact(tmp_path / "flat")[1:3]


def test_text_from_files_gzip_and_a_pipe_is_the_same(tmp_path: Path) -> None:
    data = (DATA / "sentences.txt").read_bytes()[:40_000].rsplit(b"\n", 1)[0] + b"\n"
    half = data.rfind(b"\n", 0, 20_000) + 1
    (tmp_path / "all.txt").write_bytes(data)
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "1.txt").write_bytes(data[:half])
    (tmp_path / "parts" / "2.txt.gz").write_bytes(gzip.compress(data[half:]))
    both = f"[{tmp_path / 'parts' / '1.txt'}, {tmp_path / 'parts' / '2.txt.gz'}]"
    good("word2vec", tmp_path / "all.txt", "-o", tmp_path / "a", *QUICK)
    good("word2vec", "-", "-o", tmp_path / "b", *QUICK, stdin=data)
    good("word2vec", tmp_path / "parts", "-o", tmp_path / "c", *QUICK)
    good("word2vec", "-o", tmp_path / "d", *QUICK, "--set", f"data.train={both}")
    first = (tmp_path / "a" / "vectors.txt").read_bytes()
    assert all((tmp_path / name / "vectors.txt").read_bytes() == first for name in "bcd")


def test_items_between_tabs_and_japanese_names(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    shelves = [
        ["吾輩は猫である", "こころ", "三四郎", "Das Schloß"],
        ["One Piece 1", "One Piece 2", "信長協奏曲", "天使 1"],
    ]
    lines = ["\t".join(rng.permutation(shelves[k % 2]).tolist()) for k in range(200)]
    (tmp_path / "読書.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    run = tmp_path / "実行"
    good(
        "word2vec",
        tmp_path / "読書.tsv",
        "-o",
        run,
        "--tokens",
        "tabs",
        *QUICK,
        "--window",
        9,
        "--epochs",
        40,
        "--dim",
        16,
        "--set",
        "sample=0",
        "--negative",
        2,  # of eight items five would be nearly all
    )
    assert set(nearest(run, "吾輩は猫である", "--top", 3)) == {"こころ", "三四郎", "Das Schloß"}
    text = (run / "vectors.txt").read_text(encoding="utf-8")
    assert "One_Piece_1 " in text, "a blank would end the word"


def test_japanese_text_is_cut_into_words(tmp_path: Path) -> None:
    pytest.importorskip("sudachipy", reason="SudachiPy is not installed")
    pytest.importorskip("sudachidict_small", reason="SudachiPy's small dictionary is not installed")
    (tmp_path / "猫.txt").write_text("吾輩は猫である。名前はまだ無い。\n" * 30, encoding="utf-8")
    good("word2vec", tmp_path / "猫.txt", "-o", tmp_path / "run", "--tokens", "japanese", *QUICK)
    words = read_vectors(tmp_path / "run" / "vectors.txt").words
    assert {"吾輩", "は", "猫", "名前", "まだ", "無い"} <= set(words)


def test_documents_and_inference(tmp_path: Path) -> None:
    words = [["whale", "shark", "sea", "swims"], ["king", "queen", "palace", "crown"]]
    rng = np.random.default_rng(3)
    lines = [f"文書{k}\t{' '.join(rng.choice(words[k % 2], 12).tolist())}" for k in range(60)]
    (tmp_path / "docs.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name, model in (("dbow", "skip-gram"), ("dm", "cbow")):
        run = tmp_path / name
        how = [*sets(data__names="true", sample=0, lr=0.1), "--model", model, "--epochs", 100, "--window", 1]
        good("word2vec", tmp_path / "docs.txt", "-o", run, "--docs", *QUICK, *how)
        vectors = read_vectors(run / "documents.txt").vectors
        units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        alike = units @ units.T
        same = np.equal.outer(np.arange(60) % 2, np.arange(60) % 2)
        assert alike[same].mean() > alike[~same].mean() + 0.1, name
        assert len(table(good("similar", run, "--docs", "文書4", "--top", 5).stdout)) == 5
        rows = table(good("similar", run, "--text", "the queen has a crown in the palace", "--top", 5).stdout)
        assert name == "dm" or all(int(row["document"][2:]) % 2 == 1 for row in rows)
        answers = table(
            good("predict", run, "-", "--passes", 5, stdin="whale sea\n王\nwhale sea\n".encode()).stdout
        )
        assert [row["known_words"] for row in answers] == ["2", "0", "2"]
        assert answers[0]["x1"] == answers[2]["x1"] != answers[1]["x1"]


def test_a_run_goes_on_with_new_text_and_new_words(demo: Path, tmp_path: Path) -> None:
    more = tmp_path / "more.txt"
    more.write_text("the unicorn sleeps in the forest with the bear\n" * 40, encoding="utf-8")
    for name, start in (("run", demo), ("file", demo / "vectors.txt")):
        run = tmp_path / name
        how = ["--dim", 32, "--epochs", 2, "--start", start, "--set", "data.lower=false", "-q"]
        good("word2vec", more, "-o", run, *how)
        assert summary(run)["parameters"] == 2 * 32 * 181
        assert "queen" in nearest(run, "king", "--top", 5)
        assert nearest(run, "unicorn", "--top", 2)
    assert "the recipe says 8" in error_line(
        call("word2vec", more, "--start", demo, *QUICK, "-o", tmp_path / "x"), 2
    )


BAD = {
    "empty": (b"", "no word in it"),
    "blank": (b" \n\n", "no word in it"),
    "binary": (b"a b\0c\n", ":1: a NUL byte; this is not a text file"),
    "bytes": (b"a b\nc \xff d\n", ":2: not UTF-8: byte 0xff at byte 3 of the line"),
    "rare": (b"a b c\n", "lower --min-count"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_text_is_told_in_one_line(tmp_path: Path, name: str) -> None:
    data, told = BAD[name]
    (tmp_path / "x.txt").write_bytes(data)
    line = error_line(call("word2vec", tmp_path / "x.txt", "-o", tmp_path / "run"), 1)
    assert told in line and str(tmp_path / "x.txt") in line
    assert not (tmp_path / "run").exists()


def test_a_line_of_one_odd_character_has_a_word(tmp_path: Path) -> None:
    path = tmp_path / "odd.txt"
    path.write_bytes(b"a b a\n\x08\n \t\x1c\nb a\n")
    told = good("word2vec", path, "--dry-run", "--tokens", "blank", "--min-count", "2")
    assert "5 words of 6 · 2 distinct" in told.stdout


def test_broken_lines_are_skipped_on_request(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"good words here\nbad \xff line\ngood words here\n" * 5)
    done = good("word2vec", tmp_path / "x.txt", "-o", tmp_path / "run", "--on-bad-row", "skip", "--dim", 4)
    assert "5 bad lines skipped, first" in done.stderr and "x.txt:2" in done.stderr


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--set", "negatve=3"], "did you mean negative?"),
        (["--set", "vector_size=3"], "did you mean"),
        (["--model", "glove"], "model"),
        (["--docs", "--objective", "softmax"], "documents learn with objective"),
        (["--objective", "softmax", "--gpu"], "there is no GPU version"),
        (["--set", "data.names=true"], "names are for documents"),
        (["--start", "nowhere"], "no such file"),
        (["--set", "min_lr=1"], "above lr"),
    ],
)
def test_mistakes_in_a_recipe(tmp_path: Path, flags: list[str], told: str) -> None:
    done = call("word2vec", DATA / "sentences.txt", "-o", tmp_path / "run", *flags)
    assert done.code in (1, 2) and told in done.stderr and "Traceback" not in done.stderr


def test_questions_that_cannot_be_answered(demo: Path, tmp_path: Path) -> None:
    assert "did you mean queen?" in error_line(call("similar", demo, "quen"), 2)
    assert "no vectors of documents" in error_line(call("similar", demo, "--docs", "1"), 2)
    assert "king - man + woman" in error_line(call("similar", demo, "--analogy", "king", "man"), 2)
    assert "only with --analogy" in error_line(call("similar", demo, "king", "--method", "mul"), 2)
    (tmp_path / "v.txt").write_text("2 3\na 1 2 3\nb 1 x 3\n")
    assert "v.txt:3: expected 3 numbers" in error_line(call("similar", tmp_path / "v.txt", "a"), 1)


def test_the_articles_sentence(tmp_path: Path) -> None:
    good("word2vec", RECIPES / "word2vec-article.yaml", "-o", tmp_path / "run", "-q")
    assert len(read_vectors(tmp_path / "run" / "vectors.txt").words) == 9
    rows = metrics(tmp_path / "run")
    assert float(rows[0]["train_loss"]) > 2.1 and float(rows[-1]["train_loss"]) < 1.63
    assert rows[0]["train_inputs"] == "52"


@pytest.mark.skipif(not os.environ.get("DLKIT_DATA"), reason="needs imdb.txt and word_eval under DLKIT_DATA")
def test_reviews(tmp_path: Path) -> None:
    if not (Path(os.environ["DLKIT_DATA"]) / "imdb.txt").is_file():
        pytest.skip("needs imdb.txt under DLKIT_DATA")
    good("word2vec", RECIPES / "word2vec-imdb.yaml", "-o", tmp_path / "run", "-q")
    assert summary(tmp_path / "run")["test_analogy_accuracy"] > 0.24
