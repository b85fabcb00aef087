"""Words that say little about what a text is about."""

from pathlib import Path

from dlkit.errors import DataError
from dlkit.readers.opening import read_bytes
from dlkit.readers.paths import resolve_path

_ENGLISH = """
a an the and or but nor so if then than as that this these those such
i me my mine myself we us our ours ourselves you your yours yourself yourselves
he him his himself she her hers herself it its itself they them their theirs themselves
who whom whose which what when where why how
am is are was were be been being do does did doing done has have had having
will would shall should can could may might must
not no only very too also just about above after again against all any at because before below between both by
down during each few for from further here in into more most of off on once other out over own same some
there through to under until up while with
"""
ENGLISH = tuple(_ENGLISH.split())
"""Articles, pronouns, auxiliaries, prepositions and the like; nothing that could be a topic."""


def stop_words(name: str | None, base: Path | None = None) -> list[str]:
    """The words of the built-in list `english`, or of a file with one word a line (# begins a comment).

    Raises DataError for a file that is not there or not UTF-8.
    """
    if name is None:
        return []
    if name == "english":
        return list(ENGLISH)
    path = resolve_path(name, base).path
    try:
        lines = read_bytes(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError("not UTF-8", where=str(path)) from error
    words = [line.split("#", 1)[0].strip() for line in lines]
    return list(dict.fromkeys(word for word in words if word))
