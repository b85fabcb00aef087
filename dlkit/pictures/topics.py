"""A picture of topics: the words of each as bars."""

from collections.abc import Sequence
from typing import NamedTuple

from dlkit.pictures.figures import figure, png

COLUMNS = 5
"""Most fields side by side."""
LABEL = 16
"""Most characters of a word."""


class DrawnTopic(NamedTuple):
    """What is drawn of one topic."""

    title: str
    words: Sequence[str]
    """Best first."""
    probabilities: Sequence[float]
    """p(word|topic)."""


def bars(topics: Sequence[DrawnTopic]) -> bytes:
    """PNG: a field a topic, its words from the top, p(word|topic) to the right, each on its own scale."""
    rows = -(-len(topics) // COLUMNS)
    columns = -(-len(topics) // rows)
    words = max(len(topic.words) for topic in topics)
    text = "".join(word for topic in topics for word in (topic.title, *topic.words))
    with figure(2.6 * columns + 0.3, rows * (0.17 * words + 0.55) + 0.3, text) as drawn:
        fields = drawn.subplots(rows, columns, squeeze=False)
        for axes in fields.flat[len(topics) :]:
            axes.set_axis_off()
        for axes, topic in zip(fields.flat, topics, strict=False):
            places = range(len(topic.words))
            axes.barh(places, topic.probabilities, color="#4878a8", height=0.72)
            axes.set_yticks(places, [shortened(word) for word in topic.words], fontsize=8, parse_math=False)
            axes.set_ylim(words - 0.5, -0.5)
            axes.set_xlim(0, 1.05 * max(topic.probabilities, default=0) or 1)
            axes.locator_params(axis="x", nbins=4)
            axes.tick_params(axis="x", labelsize=7)
            axes.tick_params(axis="y", length=0)
            axes.set_title(topic.title, fontsize=9, parse_math=False)
            for side in ("top", "right"):
                axes.spines[side].set_visible(False)
        return png(drawn)


def shortened(word: str) -> str:
    """A word as a label: printable, and not too long."""
    text = "".join(c if c.isprintable() else " " for c in word)
    return text if len(text) <= LABEL else text[: LABEL - 1] + "…"
