"""The picture of topics: the same bytes each time, whatever the words are."""

import io

import pytest

pytest.importorskip("matplotlib")

from dlkit.pictures.topics import LABEL, DrawnTopic, bars, shortened


@pytest.mark.parametrize(("topics", "columns"), [(1, 1), (5, 5), (7, 4)])
def test_a_field_for_each_topic(topics: int, columns: int) -> None:
    from PIL import Image

    words = ["plain", "$x_1$", "a\tb", "very long words of a title indeed", "", "&<"]
    drawn = [DrawnTopic(f"topic {k + 1}", words, [0.3, 0.2, 0.1, 0.05, 0.01, 0.0]) for k in range(topics)]
    picture = bars(drawn)
    assert picture == bars(drawn)
    width, height = Image.open(io.BytesIO(picture)).size
    assert width == 260 * columns + 30 and (height > 250) == (topics > 5)


def test_topics_without_words() -> None:
    assert bars([DrawnTopic("topic 1", [], []), DrawnTopic("topic 2", ["a"], [1.0])]).startswith(b"\x89PNG")


def test_labels_are_short_and_printable() -> None:
    assert shortened("a\x07b") == "a b"
    assert shortened("x" * LABEL) == "x" * LABEL and shortened("x" * (LABEL + 1)) == "x" * (LABEL - 1) + "…"
