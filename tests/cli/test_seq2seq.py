"""dlkit seq2seq as a user meets it: training, translations, figures, pictures, mistakes."""

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.calling import (
    DATA,
    RECIPES,
    call,
    contents,
    error_line,
    figures,
    good,
    metrics,
    summary,
    table,
)

PAIRS = DATA / "reversed-digits.tsv"
CHARACTERS = ["--source-words", "characters", "--target-words", "characters"]
SIZES = ["--embedding", 16, "--units", 32, "--dropout", 0]
SMALL = [*CHARACTERS, *SIZES, "--lr", 0.01, "--attention-score", "additive"]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 3,000 pairs."""
    path = tmp_path_factory.mktemp("pairs") / "数字.tsv"
    lines = PAIRS.read_text(encoding="utf-8").splitlines(keepends=True)[:3000]
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(pairs: Path) -> Path:
    """A run that has learnt a little."""
    made = pairs.parent / "run"
    good("seq2seq", pairs, "-o", made, "-q", *SMALL, "--valid", 100, "--test", 100, "--epochs", 3)
    return made


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over two files of words, some of them seen once only; LSTM in two layers, half of it sampled."""
    folder = tmp_path_factory.mktemp("words")
    nouns = {"犬": "dog", "猫": "cat", "本": "book", "車": "car"}
    verbs = {"見る": "see", "買う": "buy", "売る": "sell"}
    rows = [(f"{n} を {v}", f"{verbs[v]} the {nouns[n]}") for n in nouns for v in verbs] * 8
    rows += [(f"名{k} を 見る", f"see the n{k}") for k in range(24)]
    for name, side in (("c.ja", 0), ("c.en", 1)):
        (folder / name).write_text("".join(f"{row[side]}\n" for row in rows), encoding="utf-8")
    sizes = ["--embedding", 12, "--units", 24, "--layers", 2, "--set", "model.cell=lstm", "--lr", 0.02]
    given = ["--source", "ja", "--target", "en", "--valid", folder / "c", *sizes, "--batch", 16]
    more = ["--teacher-forcing", 0.7, "--label-smoothing", 0.1, "--epochs", 6]
    good("seq2seq", folder / "c", "-o", folder / "run", "-q", *given, *more)
    return folder / "run"


# -- training -------------------------------------------------------------------------------------------
def test_what_a_run_leaves(run: Path) -> None:
    told = summary(run)
    measures = ("loss", "perplexity", "token_accuracy")
    assert {f"{s}_{m}" for s in ("train", "valid", "test") for m in measures} < set(told)
    assert told["test_token_accuracy"] > 0.3
    assert 0 <= told["test_sequence_accuracy"] <= 1
    rows = metrics(run)
    losses = [float(row["valid_loss"]) for row in rows]
    assert losses[-1] < losses[0]
    assert told["best_epoch"] == 1 + losses.index(min(losses))
    assert "valid_sequence_accuracy" in rows[0]
    assert "valid_bleu" not in rows[0], "judge: loss translates, but asks for no BLEU"


def test_digits_are_turned_round_within_a_minute(tmp_path: Path) -> None:
    good("seq2seq", RECIPES / "seq2seq-reverse.yaml", "-o", tmp_path / "run", "-q")
    assert summary(tmp_path / "run")["test_sequence_accuracy"] >= 0.995
    asked = "12345678\n\n7\n"
    done = good("predict", tmp_path / "run", "-", stdin=asked.encode())
    assert done.stdout == "87654321\n\n7\n"


def test_stopped_and_resumed_it_ends_with_the_same_bytes(pairs: Path, run: Path, tmp_path: Path) -> None:
    given = [pairs, "-o", tmp_path / "run", "-q", *SMALL, "--valid", 100, "--test", 100]
    good("seq2seq", *given, "--epochs", 1)
    good("seq2seq", *given, "--epochs", 3, "--resume")
    assert contents(tmp_path / "run") == contents(run)


def test_threads_do_not_change_the_result(pairs: Path, tmp_path: Path) -> None:
    for split in ("batch", "products"):
        runs = []
        for threads in (1, 2):
            runs.append(tmp_path / f"{split}-{threads}")
            fixed = ["--set", "shards=2", "--set", f"split={split}", "--threads", threads, "--epochs", 1]
            sampled = ["--teacher-forcing", 0.5, "--tokens", 600]
            good("seq2seq", pairs, "-o", runs[-1], "-q", *SMALL, *fixed, *sampled, "--valid", 50)
        assert contents(runs[0]) == contents(runs[1])


def test_no_attention_and_one_direction(pairs: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    sizes = [
        "--set",
        "model.attention=none",
        "--set",
        "model.bidirectional=false",
        "--set",
        "model.relu=true",
    ]
    plain = [*sizes, "--set", "mean_over=pairs", "--set", "optimizer={name: sgd, lr: 0.02}", "--epochs", 1]
    good("seq2seq", pairs, "-o", run, "-q", *CHARACTERS, "--units", 16, *plain)
    assert "dot attention" not in good("inspect", run).stdout
    line = error_line(call("predict", run, pairs, "--attention"), 2)
    assert "this network has none" in line


def test_tied_weights(pairs: Path, tmp_path: Path) -> None:
    sizes = ["--embedding", 16, "--units", 16, "--set", "model.tied=true", "--epochs", 1]
    good("seq2seq", pairs, "-o", tmp_path / "run", "-q", *CHARACTERS, *sizes, "--valid", 20)
    assert float(metrics(tmp_path / "run")[0]["valid_loss"]) < 2.6
    line = error_line(call("seq2seq", pairs, *CHARACTERS, *sizes, "--units", 18), 2)
    assert "the output layer takes 18 numbers" in line


def test_dry_run_tells_sizes(pairs: Path) -> None:
    told = good("seq2seq", pairs, *SMALL, "--dry-run").stdout
    assert "3,000 pairs" in told and "additive attention" in told and "47 of up to 64 pairs" in told


# -- translations ---------------------------------------------------------------------------------------
def test_lines_in_lines_out(run: Path, pairs: Path, tmp_path: Path) -> None:
    asked = "12\n\n \n345\r\n678"
    done = good("predict", run, "-", stdin=asked.encode())
    lines = done.stdout.split("\n")
    assert len(lines) == 6 and lines[1:3] == ["", ""] and lines[-1] == ""
    (tmp_path / "in.txt").write_text(asked, encoding="utf-8")
    good("predict", run, tmp_path / "in.txt", "-o", tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == done.stdout
    columns = good("predict", run, pairs).stdout.splitlines()
    assert len(columns) == 3000, "a file like that of training: its source column"


def test_one_line_or_many_the_translation_is_the_same(run: Path) -> None:
    lines = [str(n) for n in (7, 1234567, 42, 90210, 5551234, 86)]
    alone = [good("predict", run, "-", stdin=f"{line}\n".encode()).stdout for line in lines]
    together = good("predict", run, "-", stdin="\n".join(lines).encode()).stdout
    assert "".join(alone) == together
    searched = [good("predict", run, "-", "--beam", 3, stdin=f"{line}\n".encode()).stdout for line in lines]
    assert "".join(searched) == good("predict", run, "-", "--beam", 3, stdin="\n".join(lines).encode()).stdout


def test_several_translations_with_scores(run: Path) -> None:
    rows = table(good("predict", run, "-", "--n-best", 3, stdin=b"1234\n56\n").stdout)
    assert [row["line"] for row in rows] == ["1"] * 3 + ["2"] * 3
    assert [row["rank"] for row in rows] == ["1", "2", "3"] * 2
    scores = [float(row["score"]) for row in rows]
    assert scores[:3] == sorted(scores[:3], reverse=True)
    for row in rows:
        length = len(row["translation"]) + 1
        assert float(row["score"]) == pytest.approx(float(row["log_p"]) / ((5 + length) / 6), abs=2e-4)
    flat = table(good("predict", run, "-", "--n-best", 3, "--length-penalty", 0, stdin=b"1234\n").stdout)
    assert all(row["score"] == row["log_p"] for row in flat)
    greedy = table(good("predict", run, "-", "--n-best", 1, stdin=b"1234\n").stdout)
    assert float(rows[0]["score"]) >= float(greedy[0]["score"]) - 1e-4


def test_unknown_words_are_taken_from_the_source(words: Path) -> None:
    asked = "名3 を 見る\n"
    kept = good("predict", words, "-", "--keep-unk", stdin=asked.encode()).stdout
    assert kept == "see the <unk>\n"
    replaced = good("predict", words, "-", stdin=asked.encode()).stdout
    assert replaced.split()[:2] == ["see", "the"]
    assert replaced.split()[2] in asked.split()


def test_pictures_of_attention(words: Path, tmp_path: Path) -> None:
    done = good(
        "predict",
        words,
        "-",
        "--attention",
        "-o",
        tmp_path / "a",
        stdin="犬 を 買う\n\n猫 を 見る\n".encode(),
    )
    assert done.stdout.split("\n")[1] == "buy the dog"
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["line-1.png", "line-3.png"]
    with Image.open(tmp_path / "a" / "line-1.png") as picture:
        assert min(picture.size) > 100


def test_evaluate(run: Path, pairs: Path) -> None:
    told = figures(run)
    assert told["test_loss"] == pytest.approx(summary(run)["test_loss"], rel=1e-5)
    assert told["test_sequence_accuracy"] == summary(run)["test_sequence_accuracy"]
    assert figures(run, pairs, "--beam", 2)["test_token_accuracy"] > 0.3


def test_bleu_and_chrf_are_those_of_sacrebleu(words: Path, tmp_path: Path) -> None:
    sacrebleu = pytest.importorskip("sacrebleu")
    folder = words.parent
    told = figures(words, folder / "c")
    hypotheses = good("predict", words, folder / "c.ja").stdout.splitlines()
    wanted = (folder / "c.en").read_text(encoding="utf-8").splitlines()
    bleu = sacrebleu.corpus_bleu(hypotheses, [wanted], tokenize="none", force=True).score
    assert told["test_bleu"] == pytest.approx(bleu)
    chrf = sacrebleu.metrics.CHRF().corpus_score(hypotheses, [wanted]).score
    assert told["test_chrf"] == pytest.approx(chrf)
    right = sum(h == w for h, w in zip(hypotheses, wanted, strict=True)) / len(wanted)
    assert told["test_sequence_accuracy"] == pytest.approx(right)
    again = tmp_path / "run"
    judged = ["--judge", "bleu", "--epochs", 2, "--set", f"data.train={folder / 'c'}"]
    good("seq2seq", words / "recipe.yaml", "-o", again, "-q", *judged)
    scores = [float(row["valid_bleu"]) for row in metrics(again)]
    assert summary(again)["best_epoch"] == 1 + scores.index(max(scores))


# -- mistakes -------------------------------------------------------------------------------------------
def test_bad_pairs(tmp_path: Path) -> None:
    path = tmp_path / "bad.tsv"
    path.write_bytes(b"1\t1\n2\n3\t\xff\n4\t4\n5\t5\n" * 3)
    line = error_line(call("seq2seq", path, *CHARACTERS, "-o", tmp_path / "run"), 1)
    assert line == f"{path}:3: not UTF-8: byte 0xff at byte 3 of the line (save it as UTF-8)"
    assert not (tmp_path / "run").exists()
    done = good("seq2seq", path, *SMALL, "-o", tmp_path / "run", "--epochs", 1, "--on-bad-row", "skip")
    assert f"6 bad pairs left out; the first: {path}:2: expected 2 columns" in done.stderr


def test_two_files_of_unequal_length(tmp_path: Path) -> None:
    (tmp_path / "c.ja").write_text("a\nb\nc\n", encoding="utf-8")
    (tmp_path / "c.en").write_text("a\nb\n", encoding="utf-8")
    given = [tmp_path / "c", "--source", "ja", "--target", "en"]
    line = error_line(call("seq2seq", *given), 1)
    assert f"{tmp_path / 'c.ja'}: 3 lines, but {tmp_path / 'c.en'} has 2" in line


def test_lines_that_cannot_be_translated(run: Path, tmp_path: Path) -> None:
    line = error_line(call("predict", run, "-", stdin=b"12\n\xff\n"), 1)
    assert line.startswith("standard input:2: not UTF-8")
    (tmp_path / "in.txt").write_text("12\n" + "1" * 101 + "\n", encoding="utf-8")
    line = error_line(call("predict", run, tmp_path / "in.txt", "-o", tmp_path / "out"), 1)
    assert line == f"{tmp_path / 'in.txt'}:2: 101 words, more than data.max_length 100"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--units", 33], "a bidirectional encoder has half of them"),
        (["--judge", "bleu"], "judge: bleu needs data.valid"),
        (["--source", "ja"], "give the endings of both"),
        (["--set", "model.hidden=3"], "did you mean model.units"),
        (["--teacher-forcing", 1.5], "teacher"),
    ],
)
def test_recipes_that_cannot_be(pairs: Path, given: list[object], told: str) -> None:
    assert told in error_line(call("seq2seq", pairs, *given), 2)


def test_questions_that_cannot_be_answered(run: Path) -> None:
    assert "3 of 2 beams" in error_line(call("predict", run, "-", "--beam", 2, "--n-best", 3), 2)
    assert "predict takes" in error_line(call("predict", run, "-", "--explain"), 2)
    assert "no answer for a run of seq2seq" in error_line(call("sample", run), 2)


def test_other_training_words_are_refused_on_resume(pairs: Path, tmp_path: Path) -> None:
    mine = tmp_path / "pairs.tsv"
    mine.write_bytes(pairs.read_bytes())
    good("seq2seq", mine, "-o", tmp_path / "run", "-q", *SMALL, "--epochs", 1)
    mine.write_text("あ\tい\nう\tえ\n", encoding="utf-8")
    done = call("seq2seq", mine, "-o", tmp_path / "run", "-q", *SMALL, "--epochs", 2, "--resume")
    assert done.code == 1 and "error: " in done.stderr
    environment = json.loads((tmp_path / "run" / "environment.json").read_text(encoding="utf-8"))
    assert environment["inputs"][0]["path"] == str(mine)
