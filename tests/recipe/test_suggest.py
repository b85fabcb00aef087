"""Names that were probably meant."""

from pathlib import Path

import pytest

from dlkit.errors import DataError, RecipeError
from dlkit.readers.paths import resolve_path
from dlkit.recipe.document import load_document
from dlkit.recipe.suggest import near_file
from dlkit.training.driver import open_run


def test_the_file_that_was_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lenet-mnist.yaml", "単語の列.txt", "x"):
        (tmp_path / name).write_text("")
    monkeypatch.chdir(tmp_path)
    assert near_file(Path("lenet-mnst.yaml")) == "did you mean lenet-mnist.yaml?"
    assert near_file(tmp_path / "単語列.txt") == f"did you mean {tmp_path / '単語の列.txt'}?"
    for other in ("lenet-mnist.yaml", "none.csv", "no/lenet-mnist.yaml", "\0", ""):
        assert near_file(Path(other)) is None
    assert near_file(Path("lenet-mnst.yaml"), most=2) is None


def test_every_way_to_name_a_file_tells_it(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("")
    meant = f"did you mean {tmp_path / 'ratings.csv'}?"
    wrong = tmp_path / "rating.csv"
    for error, look in ((DataError, resolve_path), (DataError, open_run), (RecipeError, load_document)):
        with pytest.raises(error) as caught:
            look(str(wrong) if look is resolve_path else wrong)  # type: ignore[operator]
        assert caught.value.problems[0].hint == meant  # type: ignore[attr-defined]
