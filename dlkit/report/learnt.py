"""The section of what the runs have learnt: the same thing of several runs side by side."""

from collections.abc import Sequence

from dlkit.pictures.exhibits import Passage, Sheet
from dlkit.report.gathered import Run
from dlkit.report.left import Shown, things_of
from dlkit.report.markup import Html, element, join, shaded_table, table
from dlkit.report.pictures import Fitted, Picture, fitting

MOST_ROWS, MOST_CELLS = 100, 2000
"""Of a table made from a checkpoint: rows, and cells, that are shown."""


class Learnt:
    """What is shown of the runs; `section` draws it."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = runs
        self.things, self.notes = map(list, zip(*map(things_of, runs), strict=True))
        self.sequences = any(
            len(one.pictures) > 1 and not one.gallery for things in self.things for one in things
        )

    def section(self, room: int) -> Html | None:
        """All in at most about `room` bytes; None where there is nothing."""
        if not any(self.things) and not any(self.notes):
            return None
        unseen: list[Fitted] = [{} for _ in self.runs]
        words = len(self._written(unseen).encode())
        wanted = [[picture for one in things for picture in one.pictures] for things in self.things]
        return self._written(fitting(wanted, max(room - words, 0)))

    def _written(self, fitted: Sequence[Fitted]) -> Html:
        titles = dict.fromkeys(one.title for things in self.things for one in things)
        parts = [element("div", *(self._card(title, fitted) for title in titles), class_="cards")]
        lines = []
        for run, notes, some in zip(self.runs, self.notes, fitted, strict=True):
            without = [
                f"left out: {name}: {one}" for name, one in some.items() if not isinstance(one, Picture)
            ]
            lines += [self._said(run, line) for line in [*notes, *without]]
        if lines:
            parts.append(element("ul", *(element("li", line) for line in lines), class_="note"))
        return join(parts)

    def _card(self, title: str, fitted: Sequence[Fitted]) -> Html:
        """Everything of one title, the runs side by side."""
        found = [
            (run, name, one, pictures)
            for run, things, pictures in zip(self.runs, self.things, fitted, strict=True)
            for name, one in _numbered([one for one in things if one.title == title])
        ]
        told = dict.fromkeys(one.told for _, _, one, _ in found)
        alike = len(told) == 1
        head = [element("h3", title), *(element("p", words, class_="note") for words in told if alike)]
        shown = [self._thing(*one, told_above=alike) for one in found]
        side = "side many" if len(self.runs) > 1 and len(shown) > 1 else "side"
        return element("div", *head, element("div", *shown, class_=side), class_="card")

    def _said(self, run: Run, words: str) -> str:
        return f"{run.name}: {words}" if len(self.runs) > 1 else words

    def _thing(self, run: Run, name: str, one: Shown, fitted: Fitted, *, told_above: bool) -> Html:
        """What one run has to show. name: as it is read aloud."""
        head: list[Html] = []
        if len(self.runs) > 1:
            head.append(element("h4", run.name))
        if not told_above:
            head.append(element("p", one.told, class_="note"))
        whose = f"{name}, run {run.name}"
        if one.made is None:
            body = self._pictures(one, fitted, whose)
        elif isinstance(one.made, Sheet):
            body = sheet(one.made, whose)
        else:
            assert isinstance(one.made, Passage)
            body = passage(one.made, whose)
        return element("div", *head, body, class_="thing")

    def _pictures(self, one: Shown, fitted: Fitted, whose: str) -> Html:
        shown = [
            picture(
                source.name, made, f"{one.told} {whose}, {source.name}", one.gallery or len(one.pictures) > 1
            )
            for source in one.pictures
            if isinstance(made := fitted.get(source.name), Picture)
        ]
        if not shown:
            return Html("")
        if len(one.pictures) > 1 and not one.gallery:
            return element("div", *shown, class_="frames", data_title=one.title)
        return element("div", *shown, class_="pictures")


def _numbered(alike: list[Shown]) -> list[tuple[str, Shown]]:
    """Things of one title, each with a name of its own to be read aloud."""
    return [(f"{one.title} {k}" if len(alike) > 1 else one.title, one) for k, one in enumerate(alike, 1)]


def picture(name: str, made: Picture, alt: str, named: bool) -> Html:
    """A picture with what was done to it; `named`: with its name, being one of several."""
    width, height = made.size
    image = element("img", src=made.source, alt=alt, width=width, height=height)
    image = Html(image.removesuffix("</img>"))
    words = [name] if named else []
    words += [f"({made.note})"] if made.note else []
    caption = [element("figcaption", " ".join(words))] if words else []
    return element("figure", image, *caption, data_name=name.rpartition("/")[2].removesuffix(".png"))


def sheet(made: Sheet, caption: str) -> Html:
    """A table, cut where it is long."""
    most = max(min(MOST_ROWS, MOST_CELLS // max(len(made.head), 1)), 5)
    rows = made.rows[:most]
    if len(rows) < len(made.rows):
        cut = element("p", f"the first {len(rows)} of {len(made.rows):,} rows", class_="note")
        return join([cut, sheet(made._replace(rows=rows), caption)])
    if made.shades:
        return shaded_table(caption, made.head, rows, made.shades[:most])
    return table(caption, made.head, rows, unseen=True)


def passage(made: Passage, whose: str) -> Html:
    """Texts with their line ends."""
    return element(
        "div",
        *(
            element(
                "figure",
                element("figcaption", name),
                element("pre", text, tabindex=0, role="region", aria_label=f"{whose}, {name}"),
            )
            for name, text in made.texts
        ),
        class_="texts",
    )
