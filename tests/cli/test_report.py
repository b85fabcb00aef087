"""dlkit report: one file that fetches nothing, its words escaped, its size held, an index, mistakes."""

import json
import random
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from dlkit.report.gathered import differences
from dlkit.report.thin import evenly, thinned
from tests.cli.calling import DATA, call, error_line, good, sets

VOID = {"meta", "link", "img", "input", "br"}
EVIL = '<script>alert("1")</script>&<!--'


class Page(HTMLParser):
    """Elements with their attributes, words outside scripts, and whether every element is closed."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self._open: list[str] = []
        self.feed(content.decode("utf-8"))
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        inside = self._open[-1:] or [""]
        (self.scripts if inside[0] in ("script", "style") else self.words).append(data)

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join(self.words)

    @property
    def curves(self) -> dict:  # type: ignore[type-arg]
        return json.loads(self.scripts[-2])


def page_of(path: Path) -> Page:
    page = Page(path.read_bytes())
    for tag, attributes in page.elements:
        for name in ("src", "href", "srcset", "action", "data", "style"):
            value = attributes.get(name, "")
            inside = value.startswith("data:image/png;base64,") or value == "data:,"
            assert inside or not re.search(r"//|url\(|^\w+:", value), (tag, name, value)
    assert "url(" not in "".join(page.scripts) or "url(#" in "".join(page.scripts)
    assert "http:" not in path.read_text("utf-8") and "https:" not in path.read_text("utf-8")
    return page


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("報告")
    common = ["-q", "--valid", 4, *sets(model="[{dense: 4}]")]
    good("train-mlp", DATA / "golf.csv", *common, "--epochs", 3, "-o", folder / "実験 <b>")
    good("train-mlp", DATA / "golf.csv", *common, "--epochs", 4, *sets(seed=7), "-o", folder / "two")
    good("train-mlp", DATA / "golf.csv", "--epochs", 2, "-q", "--folds", 2, "-o", folder / "family")
    return folder


def copied(runs: Path, name: str, to: Path) -> Path:
    return Path(shutil.copytree(runs / name, to))


def test_a_page_of_one_run(runs: Path, tmp_path: Path) -> None:
    run = copied(runs, "実験 <b>", tmp_path / "実験 <b>")
    Image.new("RGB", (40, 30), "red").save(run / "図.png")
    done = good("report", run)
    assert done.stdout == f"{run / 'report.html'}\n"
    page = page_of(run / "report.html")
    titles = [a["id"] for a in page.of("section")]
    expected = ["summary", "notes", "curves", "pictures", "figures", "timing", "recipe", "provenance"]
    assert titles == expected and [a["href"] for a in page.of("a")[1:]] == [f"#{one}" for one in expected]
    assert page.of("html") == [{"lang": "en"}] and "valid_accuracy" in page.text and "図.png" in page.text
    assert all(a["alt"] for a in page.of("img")) and len(page.of("img")) == 1
    assert all(a.get("scope") in ("col", "row") for a in page.of("th"))
    policy = next(a["content"] for a in page.of("meta") if "http-equiv" in a)
    assert policy.startswith("default-src 'none'")
    assert "prefers-color-scheme: dark" in "".join(page.scripts)
    before = (run / "report.html").read_bytes()
    good("report", run)
    assert (run / "report.html").read_bytes() == before, "the same bytes again"


def test_curves_are_the_metrics(runs: Path, tmp_path: Path) -> None:
    good("report", runs / "two", runs / "実験 <b>", "-o", tmp_path / "a.html")
    curves = page_of(tmp_path / "a.html").curves
    assert curves["xs"] == ["epoch", "step", "seconds"]
    assert [run["name"] for run in curves["runs"]] == [str(runs / "two"), str(runs / "実験 <b>")]
    assert curves["runs"][0]["rows"]["epoch"] == [1, 2, 3, 4]
    metrics = (runs / "two" / "metrics.csv").read_text().splitlines()
    at = metrics[0].split(",").index("valid_loss")
    expected = [float(line.split(",")[at]) for line in metrics[1:]]
    np.testing.assert_allclose(curves["runs"][0]["rows"]["valid_loss"], expected, rtol=1e-6)
    assert {"name": "valid_loss", "split": "valid", "measure": "loss"} in curves["columns"]


def test_what_differs_between_runs(runs: Path, tmp_path: Path) -> None:
    good("report", runs / "two", runs / "実験 <b>", "-o", tmp_path / "a.html")
    words = [word.strip() for word in page_of(tmp_path / "a.html").words if word.strip()]
    at = words.index("Keys of the recipe that are not the same in all runs")
    assert words[at + 4 : at + 10] == ["epochs", "4", "3", "seed", "7", words[at + 9]]
    assert differences([{"a": [1, {"b": 2}], "c": 1}, {"a": [1, {"b": 3}]}]) == {
        "a.1.b": ["2", "3"],
        "c": ["1", ""],
    }


def test_a_family_is_shown_by_its_members(runs: Path, tmp_path: Path) -> None:
    good("report", runs / "family", "-o", tmp_path / "a.html")
    page = page_of(tmp_path / "a.html")
    assert [Path(run["name"]).name for run in page.curves["runs"]] == ["fold-1", "fold-2"]
    assert "a family of 2 runs" in page.text


def test_words_of_a_user_are_words(runs: Path, tmp_path: Path) -> None:
    run = copied(runs, "two", tmp_path / "a<script>&")
    head, *rows = (run / "metrics.csv").read_text().splitlines()
    lines = [f'{head},"valid_{EVIL.replace(chr(34), chr(34) * 2)}"', *(f"{row},1" for row in rows)]
    (run / "metrics.csv").write_text("\n".join(lines) + "\n")
    (run / "recipe.yaml").write_text(f"command: {EVIL}\n# {EVIL}\n")
    about = json.loads((run / "environment.json").read_text())
    about |= {"command_line": EVIL, EVIL: EVIL, "artifacts": [EVIL], "notes": [EVIL]}
    about["inputs"] = [{"path": EVIL, "bytes": 1, "sha256": "\u2028"}]
    (run / "environment.json").write_text(json.dumps(about))
    (run / "summary.json").write_text(json.dumps({EVIL: 1.5, "said": EVIL}))
    good("report", run, runs / "two", "-o", tmp_path / "a.html")
    page = page_of(tmp_path / "a.html")
    assert len(page.of("script")) == 2 and "alert" in page.text
    assert f"valid_{EVIL}" in page.curves["runs"][0]["rows"]
    good("report", tmp_path)
    assert len(page_of(tmp_path / "index.html").of("script")) == 0


def test_a_page_stays_small(runs: Path, tmp_path: Path) -> None:
    run = copied(runs, "two", tmp_path / "big")
    noise = np.random.default_rng(0)
    (run / "through time").mkdir()
    for i in range(3):
        image = noise.integers(0, 256, (900, 900, 3), dtype=np.uint8)
        Image.fromarray(image).save(run / f"{i}.png")
    for i in range(30):
        Image.new("L", (8, 8)).save(run / "through time" / f"{i:02}.png")
    (run / "broken.png").write_bytes(b"\x89PNG no")
    names = [f"valid_{i}" for i in range(12)]
    lines = [f"{i},{i},{','.join(repr(noise.random()) for _ in names)}" for i in range(1, 10_001)]
    (run / "metrics.csv").write_text("\n".join([f"epoch,step,{','.join(names)}", *lines]) + "\n")
    good("report", run)
    assert (run / "report.html").stat().st_size <= 2_000_000
    page = page_of(run / "report.html")
    assert len(page.of("img")) == 15 and "through time/: 12 of its 30 pictures are shown" in page.text
    assert "made smaller, from 900 × 900" in page.text and "broken.png: cannot be read as PNG" in page.text
    assert "not every row is drawn" in page.text and "200 of 10,000 rows" in page.text


def test_extremes_survive_thinning() -> None:
    draw = random.Random(3)
    rows = [{"epoch": i, "a": draw.random(), "b": draw.random()} for i in range(5000)]
    rows[1234]["a"], rows[4321]["b"], rows[7]["a"] = 99.0, -99.0, float("nan")
    kept = thinned(rows, ["a", "b"], 300)
    assert len(kept) <= 300 and kept[0] == 0 and kept[-1] == 4999 and {1234, 4321} <= set(kept)
    assert thinned(rows[:300], ["a"], 300) == list(range(300))
    assert len(thinned(rows, ["a", "b"], 3)) == 3 and thinned([], ["a"], 5) == []
    assert evenly(10, 4) == [0, 3, 6, 9] and evenly(3, 5) == [0, 1, 2]


def test_an_index_of_a_folder(runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "all"
    for name in ("実験 <b>", "family"):
        copied(runs, name, folder / "deep" / name)
    broken = copied(runs, "two", folder / "broken")
    (broken / "recipe.yaml").write_text("a: [")
    done = good("report", folder)
    assert done.stdout.splitlines()[-1] == str(folder / "index.html")
    assert "recipe.yaml: not YAML" in done.stderr and "Traceback" not in done.stderr
    page = page_of(folder / "index.html")
    links = [folder / unquote(a["href"]) for a in page.of("a")]
    names = ("broken", "deep/family", "deep/実験 <b>")
    assert links == [folder / name / "report.html" for name in names]
    assert all(page_of(link) for link in links)
    assert "not YAML" in page.text and "2 members" in page.text
    before = (folder / "index.html").read_bytes()
    good("report", folder)
    assert (folder / "index.html").read_bytes() == before


def test_unfinished_runs(runs: Path, tmp_path: Path) -> None:
    run = copied(runs, "two", tmp_path / "stopped")
    (run / "summary.json").unlink()
    good("report", run)
    assert "unfinished: there is no summary.json" in page_of(run / "report.html").text
    for name in ("metrics.csv", "checkpoint.h5", "timing.csv", "environment.json", "best.h5"):
        (run / name).unlink(missing_ok=True)
    good("report", run)
    page = page_of(run / "report.html")
    assert "nothing saved yet" in page.text and "what it ran with is not known" in page.text
    assert page.of("script") == []


def test_broken_runs_are_shown_with_their_trouble(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    broken = {
        "metrics.csv": (b"epoch,step\n1,2,3\n", "metrics.csv:2: expected 2 columns, found 3"),
        "timing.csv": (b"\xff\xfe", "timing.csv: cannot be read"),
        "summary.json": (b"{", "summary.json: not JSON"),
        "environment.json": (b"[" * 100_000, "environment.json: not JSON"),
        "recipe.yaml": (b"command: [train-mlp", "recipe.yaml: not YAML"),
        "checkpoint.h5": (b"no checkpoint", "left out: "),
    }
    told = []
    for name, (content, words) in broken.items():
        run = copied(runs, "two", tmp_path / f"bad {name}")
        (run / "best.h5").unlink(missing_ok=True)
        (run / name).write_bytes(content)
        told.append(words)
        done = good("report", run)
        assert words in page_of(run / "report.html").text
        assert words in done.stderr or name == "checkpoint.h5"
    good("report", *sorted(tmp_path.iterdir()), runs / "two", "-o", tmp_path / "all.html")
    text = page_of(tmp_path / "all.html").text
    assert all(words in text for words in told) and f"{tmp_path / 'empty'}: no run in it" in text


def test_what_training_said_is_kept(tmp_path: Path) -> None:
    rows = (DATA / "golf.csv").read_text("utf-8").splitlines()
    (tmp_path / "bad.csv").write_text("\n".join([*rows, "sunny"]) + "\n", encoding="utf-8")
    skip = sets(on_bad_row="skip", model="[{dense: 2}]")
    good("train-mlp", tmp_path / "bad.csv", "-q", "--epochs", 1, *skip, "-o", tmp_path / "run")
    good("report", tmp_path / "run")
    page = page_of(tmp_path / "run" / "report.html")
    assert "Notes of the training" in page.text and "bad row" in page.text


def test_infinite_figures_are_told(runs: Path, tmp_path: Path) -> None:
    run = copied(runs, "two", tmp_path / "diverged")
    text = (run / "metrics.csv").read_text().splitlines()
    cells = text[-1].split(",")
    text[-1] = ",".join([*cells[:-1], "inf"])
    (run / "metrics.csv").write_text("\n".join(text) + "\n")
    good("report", run)
    page = page_of(run / "report.html")
    name = text[0].split(",")[-1]
    assert f"infinite values in {name}" in page.text and page.curves["runs"][0]["rows"][name][-1] is None


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["none"], "none: no such run"),
        (["two", "none"], "none: no such run"),
        (["empty"], "empty: no run in it"),
        (["two", "-o", "no/a.html"], "cannot write no/a.html: there is no folder no"),
    ],
)
def test_mistakes(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    copied(runs, "two", tmp_path / "two")
    (tmp_path / "empty").mkdir()
    assert line in error_line(call("report", *arguments), 1)
    assert not Path("two/report.html").exists()
