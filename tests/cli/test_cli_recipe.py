"""Training commands and `dlkit recipe`, with a small algorithm in the place of a real one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from dlkit.cli import COMMANDS, Commands, Entry, main
from dlkit.errors import Interrupted, UserError
from dlkit.recipe.document import load_document
from dlkit.recipe.emit import to_yaml
from dlkit.recipe.resolve import resolve
from tests.recipe.sample import SampleRecipe

RECIPE = "command: train-sample\ndata: {train: rows.csv}\nepochs: 4\n"


class Driver(ModuleType):
    """Stands for the driver: remembers what it was asked to run."""

    def __init__(self) -> None:
        super().__init__("dlkit.training.driver")
        self.asked: list[Any] = []
        self.error: BaseException | None = None

    def run(self, algorithm: Any, recipe: Any, options: Any, *, comm: Any = None) -> None:
        self.asked.append(SimpleNamespace(algorithm=algorithm, recipe=recipe, options=options))
        if self.error is not None:
            raise self.error


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Driver:
    made = Driver()
    monkeypatch.setitem(sys.modules, "dlkit.training.driver", made)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.yaml").write_text(RECIPE, encoding="utf-8")
    return made


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    module = ModuleType("sample_algorithm", "train-sample: learn nothing, to try the command line.\n\nMore.")
    module.ALGORITHM = SimpleNamespace(  # type: ignore[attr-defined]
        command="train-sample",
        Recipe=SampleRecipe,
        SOURCE_KEY="data.train",
        EXAMPLES="  dlkit train-sample rows.csv      as it is written\n  dlkit train-sample r.yaml --lr 3",
    )
    monkeypatch.setitem(sys.modules, module.__name__, module)
    entry = Entry(module.__name__, "Learn nothing, to try the command line.")
    return Commands({"train-sample": entry, "recipe": COMMANDS["recipe"]}, name="dlkit")


@pytest.fixture
def call(commands: Commands, driver: Driver, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command line; gives exit code, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments, commands)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


# -- what the driver is given -------------------------------------------------------------------------
def test_a_recipe_is_run(call: Any, driver: Driver) -> None:
    assert call("train-sample", "r.yaml") == (0, "", "")
    (asked,) = driver.asked
    assert asked.recipe == resolve(SampleRecipe, load_document("r.yaml"))
    assert asked.options.directory == Path("runs/train-sample-r")
    assert asked.options.recipe_path == Path("r.yaml")
    assert asked.options.source == "r.yaml"


@pytest.mark.parametrize(
    ("arguments", "directory"),
    [
        (["日本.csv.gz"], "runs/train-sample-日本"),
        (["mnist/train"], "runs/train-sample-train"),
        (["-"], "runs/train-sample-stdin"),
        (["rows.csv", "-r", "r.yaml"], "runs/train-sample-r"),
        (["-r", "r.yaml"], "runs/train-sample-r"),
        (["--set", "data.train=x.csv"], "runs/train-sample"),
        (["r.yaml", "-o", "here"], "here"),
    ],
)
def test_the_run_directory(arguments: list[str], directory: str, call: Any, driver: Driver) -> None:
    assert call("train-sample", *arguments)[0] == 0
    assert driver.asked[0].options.directory == Path(directory)


def test_a_data_file_takes_its_place_in_the_recipe(call: Any, driver: Driver) -> None:
    assert call("train-sample", "other.csv", "-r", "r.yaml")[0] == 0
    assert call("train-sample", "-")[0] == 0
    assert [asked.recipe.data.train for asked in driver.asked] == ["other.csv", "-"]
    assert [asked.recipe.epochs for asked in driver.asked] == [4, 10]


def test_options_reach_the_driver(call: Any, driver: Driver) -> None:
    run = "train-sample r.yaml --resume -q --threads 3 --dry-run"
    keys = "--gpu --lr 0.5 --no-shuffle --epochs 9 --seed 7"
    assert call(*run.split(), *keys.split(), "--set", "epochs=8", "--set", "dim=3")[0] == 0
    (asked,) = driver.asked
    options, recipe = asked.options, asked.recipe
    assert (options.resume, options.quiet, options.threads, options.dry_run) == (True, True, 3, True)
    assert (options.force, options.verbose) == (False, False)
    assert (recipe.device, recipe.optimizer.lr, recipe.shuffle) == ("gpu", 0.5, False)
    assert (recipe.epochs, recipe.seed, recipe.dim) == (9, 7, 3)


@pytest.mark.parametrize(
    ("arguments", "device"),
    [(["--gpu", "--device", "gpu:1"], "gpu:1"), (["--device", "cpu"], "cpu"), ([], "cpu")],
)
def test_the_device(arguments: list[str], device: str, call: Any, driver: Driver) -> None:
    assert call("train-sample", "r.yaml", *arguments)[0] == 0
    assert driver.asked[0].recipe.device == device


def test_print_config_repeats_the_run(call: Any, driver: Driver, tmp_path: Path) -> None:
    code, out, err = call(
        "train-sample", "r.yaml", "--set", "model.0.dense=3", "--lr", "1e-5", "--print-config"
    )
    assert (code, err, driver.asked) == (0, "", [])
    (tmp_path / "again.yaml").write_text(out, encoding="utf-8")
    assert call("train-sample", "again.yaml")[0] == 0
    assert to_yaml(driver.asked[0].recipe) == out
    assert "lr: 1e-05" in out


# -- what is refused ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["--resume", "--force"], ["--resume and --force exclude each other"]),
        (["-q", "-v"], ["--quiet and --verbose exclude each other"]),
        (["--gpu", "--device", "cpu"], ["--gpu and --device cpu contradict each other"]),
        (["-r", "r.yaml"], ["two recipes: r.yaml and r.yaml (give one)"]),
        (
            ["--epochs", "0", "--set", "dim=x"],
            ['--set: dim: expected a whole number, found text "x"', "--epochs: must be at least 1, found 0"],
        ),
        (
            ["--epochs", "many"],
            ['--epochs: expected a whole number, found text "many"'],
        ),
        (
            ["--set", "optimizer.learning_rate=0.01"],
            ["--set: optimizer.learning_rate: unknown key (did you mean optimizer.lr?)"],
        ),
        (["--device", "tpu"], ['--device: must be cpu, gpu or gpu:N, found text "tpu"']),
        (
            ["--threads", "0"],
            ["--threads: must be at least 1, found 0"],
        ),
        (["--epoch", "3"], ["no option is called --epoch (did you mean --epochs?)"]),
        (["b", "c"], ["got unexpected extra arguments (b c) (see dlkit train-sample --help)"]),
    ],
)
def test_what_cannot_be_followed(arguments: list[str], lines: list[str], call: Any, driver: Driver) -> None:
    code, out, err = call("train-sample", "r.yaml", *arguments)
    assert (code, out, driver.asked) == (2, "", [])
    assert err.splitlines() == [f"error: {line}" for line in lines]


def test_nothing_to_learn_from(call: Any) -> None:
    code, _, err = call("train-sample")
    assert (code, err) == (
        2,
        "error: nothing to learn from: give a data file or a recipe (see dlkit train-sample --help)\n",
    )
    code, _, err = call("train-sample", "--print-config")
    assert (code, err) == (2, "error: data: missing, and it has no default (--set data=...)\n")


def test_every_fault_of_a_recipe_is_a_line(call: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("epochs: twelve\ndata: {trian: x}\n", encoding="utf-8")
    code, out, err = call("train-sample", "bad.yaml")
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        'error: bad.yaml:1:9: epochs: expected a whole number, found text "twelve"',
        "error: bad.yaml:2:7: data.train: missing, and it has no default",
        'error: bad.yaml:2:8: data.trian: unknown key (did you mean "train"?)',
    ]
    assert call("train-sample", "none.yaml")[2] == (
        "error: none.yaml: cannot read the recipe: No such file or directory\n"
    )


# -- how it ends --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (UserError("expected 3 columns", where="a.csv:7"), 1, "error: a.csv:7: expected 3 columns\n"),
        (Interrupted(15), 143, "stopped by SIGTERM\n"),
        (Interrupted(2), 130, "stopped by SIGINT\n"),
        (KeyboardInterrupt(), 130, ""),
        (MemoryError("12 GiB"), 1, "error: out of memory: 12 GiB\n"),
        (OSError(28, "No space left on device", "x.csv"), 1, "error: x.csv: No space left on device\n"),
        (BrokenPipeError(), 141, ""),
    ],
)
def test_exit_codes(error: BaseException, code: int, told: str, call: Any, driver: Driver) -> None:
    driver.error = error
    assert call("train-sample", "r.yaml") == (code, "", told)


def test_a_bug_shows_its_traceback_and_debug_every_error(call: Any, driver: Driver) -> None:
    driver.error = ZeroDivisionError("oh")
    code, _, err = call("train-sample", "r.yaml")
    assert code == 1
    assert err.startswith("Traceback")
    assert err.endswith("error: internal error: ZeroDivisionError: oh (this is a bug in dlkit)\n")
    driver.error = UserError("no rows")
    assert "Traceback" not in call("train-sample", "r.yaml")[2]
    assert "Traceback" in call("train-sample", "r.yaml", "--debug")[2]


def test_help_groups_options_and_ends_with_examples(call: Any) -> None:
    code, out, _ = call("train-sample", "--help")
    assert code == 0
    own = ["Recipe keys of train-sample:", "--dim", "Recipe keys of every command:", "--seed"]
    parts = [
        out.index(text) for text in (*own, "Device:", "--threads", "Run:", "--resume", "--debug", "Examples:")
    ]
    assert parts == sorted(parts)
    assert out.endswith(
        "  dlkit train-sample rows.csv      as it is written\n  dlkit train-sample r.yaml --lr 3\n"
    )


def test_a_closed_pipe_and_a_full_disk() -> None:
    code = "import sys; from dlkit.cli import main; sys.exit(main(['recipe', '--help']))"
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")
    if Path("/dev/full").exists():
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(
                [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, check=False
            )
        assert done.returncode == 1
        assert done.stderr.startswith(b"error: ")
        assert done.stderr.count(b"\n") == 1


# -- dlkit recipe -------------------------------------------------------------------------------------
def test_recipe_new_is_a_recipe(call: Any, tmp_path: Path, driver: Driver) -> None:
    code, out, err = call("recipe", "new", "train-sample", "--schema", "s.json")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "# yaml-language-server: $schema=s.json"
    (tmp_path / "new.yaml").write_text(out, encoding="utf-8")
    assert call("recipe", "check", "new.yaml") == (0, "new.yaml: ok\n", "")
    assert call("train-sample", "new.yaml")[0] == 0
    assert driver.asked[0].recipe.data.train == "data.csv"


def test_recipe_check_tells_every_file(call: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(
        "command: train-sample\ndata: {train: x}\nepoch: 3\n", encoding="utf-8"
    )
    (tmp_path / "other.yaml").write_text("command: train-simple\n", encoding="utf-8")
    (tmp_path / "free.yaml").write_text("data: {train: x}\n", encoding="utf-8")
    code, out, err = call("recipe", "check", "bad.yaml", "r.yaml", "other.yaml", "free.yaml")
    assert (code, out) == (2, "r.yaml: ok\n")
    assert err.splitlines() == [
        'error: bad.yaml:3:1: epoch: unknown key (did you mean "epochs"?)',
        'error: other.yaml:1:10: command: no command that trains is called "train-simple" '
        "(did you mean train-sample?)",
        "error: free.yaml:1:1: no command: says which command this recipe is for (or give --command)",
    ]
    assert call("recipe", "check", "--command", "train-sample", "free.yaml")[:2] == (0, "free.yaml: ok\n")


def test_recipe_schema_is_json(call: Any) -> None:
    code, out, _ = call("recipe", "schema", "train-sample")
    assert code == 0
    assert json.loads(out)["properties"]["command"]["const"] == "train-sample"
