"""Text to units: words or characters of UTF-8 documents as spans of one buffer.

A unit's bytes are flat[first:last]. Words of a document lie one blank apart and characters side by side, so
that n units in a row are one span too: the n-gram.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.compile import borrows
from dlkit.kernels.registry import kernel

BLANK = 32


def segment_words_reference(
    text: Any,
    starts: Any,
    ends: Any,
    ascii_image: Any,
    letters: Any,
    shortest: int,
    flat: Any,
    first: Any,
    last: Any,
    units: Any,
    used: Any,
) -> None:
    """The words of each document: longest runs of word characters, at least `shortest` characters long.

    text: (N,) uint8, valid UTF-8; document d is text[starts[d]:ends[d]] (both (D,) int64).
    ascii_image: (128,) uint8: what an ASCII character becomes in a word (its lower case), 0 where it is in
    none. letters: (code points,) uint8, 1 for word characters; they stay as they are. Out: flat (>= N + D,)
    uint8, zeros beyond what is used; first, last (>= N // 2 + D,) int64; units (D,) int64, words of each
    document; used (2,) int64: words, bytes of flat.
    """
    word, at = 0, 0
    for d in range(len(starts)):
        begun = word
        run: list[str] = []
        for c in [*bytes(text[starts[d] : ends[d]]).decode("utf-8"), "\0"]:
            code = ord(c)
            image = ascii_image[code] if code < 128 else code * int(letters[code])
            if image:
                run.append(chr(image))
                continue
            if run and len(run) >= shortest:
                piece = "".join(run).encode("utf-8")
                flat[at : at + len(piece) + 1] = [*piece, BLANK]
                first[word], last[word] = at, at + len(piece)
                at, word = at + len(piece) + 1, word + 1
            run = []
        units[d] = word - begun
    used[:] = word, at


def _width(byte):
    """Bytes of the UTF-8 character that begins with this one."""
    if byte < 0xE0:
        return 2
    return 3 if byte < 0xF0 else 4


@borrows
def _code(text, i, width):
    """The code point of the character of `width` bytes at i."""
    if width == 2:
        return (np.int64(text[i]) & 0x1F) << 6 | (np.int64(text[i + 1]) & 0x3F)
    if width == 3:
        code = (np.int64(text[i]) & 0x0F) << 12 | (np.int64(text[i + 1]) & 0x3F) << 6
        return code | (np.int64(text[i + 2]) & 0x3F)
    code = (np.int64(text[i]) & 0x07) << 18 | (np.int64(text[i + 1]) & 0x3F) << 12
    return code | (np.int64(text[i + 2]) & 0x3F) << 6 | (np.int64(text[i + 3]) & 0x3F)


def _segment_words_cpu(text, starts, ends, ascii_image, letters, shortest, flat, first, last, units, used):
    image = np.zeros(256, np.uint8)  # 0 for the bytes of longer characters too: they end the inner loop
    image[:128] = ascii_image
    word, at = 0, np.uint64(0)  # no index is negative
    for d in range(starts.size):
        begun, start = word, at
        more = np.uint64(0)  # bytes of the word so far beyond one a character
        i, end = np.uint64(starts[d]), np.uint64(ends[d])
        while True:
            while i < end:
                letter = image[text[i]]
                if letter == 0:
                    break
                flat[at] = letter
                at += np.uint64(1)
                i += np.uint64(1)
            width = np.uint64(1)
            if i < end and text[i] >= 128:
                width = np.uint64(_width(text[i]))
                if i + width <= end and letters[_code(text, i, width)]:
                    for k in range(width):
                        flat[at + np.uint64(k)] = text[i + np.uint64(k)]
                    at += width
                    i += width
                    more += width - np.uint64(1)
                    continue
            length = at - start - more
            if length >= np.uint64(shortest):
                first[word], last[word] = start, at
                flat[at] = BLANK
                at += np.uint64(1)
                word += 1
            elif length > 0:  # too short: what was written is taken back
                flat[start:at] = 0
                at = start
            start, more = at, np.uint64(0)
            if i >= end:
                break
            i += width
        units[d] = word - begun
    used[0], used[1] = word, at


def _check_words(
    text: Any, starts: Any, ends: Any, ascii_image: Any, letters: Any, shortest: int, flat: Any, first: Any,
    last: Any, units: Any, used: Any,
) -> None:  # fmt: skip
    name, documents = "segment_words", len(starts)
    _check_documents(name, text, starts, ends, units, used)
    checks.shaped(name, "ascii_image", ascii_image, (128,), np.uint8)
    if shortest < 1:
        raise ValueError(f"{name}: shortest: expected 1 or more, got {shortest}")
    _check_letters(name, text, letters)
    _room(name, "flat", flat, np.uint8, len(text) + documents)
    _room(name, "first", first, np.int64, len(text) // 2 + documents)
    _room(name, "last", last, np.int64, len(text) // 2 + documents)


def _check_documents(name: str, text: Any, starts: Any, ends: Any, units: Any, used: Any) -> None:
    checks.shaped(name, "text", text, text.shape, np.uint8)
    checks.shaped(name, "starts", starts, starts.shape, np.int64)
    checks.shaped(name, "ends", ends, starts.shape, np.int64)
    checks.shaped(name, "units", units, starts.shape, np.int64)
    checks.shaped(name, "used", used, (2,), np.int64)
    if len(starts) and not (starts.min() >= 0 and (starts <= ends).all() and ends.max() <= len(text)):
        raise ValueError(f"{name}: expected documents inside the text of {len(text)} bytes")
    if (ends - starts).sum() > len(
        text
    ):  # the buffers are just large enough for documents that do not overlap
        raise ValueError(f"{name}: expected documents that do not overlap")


def _check_letters(name: str, text: Any, letters: Any) -> None:
    checks.shaped(name, "letters", letters, letters.shape, np.uint8)
    if len(letters) < CODE_POINTS and len(text) and text.max() >= 128:
        raise ValueError(f"{name}: letters: expected {CODE_POINTS} code points for text beyond ASCII")


def _room(name: str, argument: str, a: Any, dtype: Any, size: int) -> None:
    checks.shaped(name, argument, a, a.shape, dtype)
    if len(a) < size:
        raise ValueError(f"{name}: {argument}: expected room for {size}, got {len(a)}")


CODE_POINTS = 0x200000
"""What four bytes can spell: the code points of Unicode and some beyond."""

segment_words = kernel(
    "segment_words", segment_words_reference, cpu=_segment_words_cpu, check=_check_words,
    updates="flat first last units used",
)  # fmt: skip


def segment_characters_reference(
    text: Any,
    starts: Any,
    ends: Any,
    ascii_image: Any,
    letters: Any,
    flat: Any,
    first: Any,
    last: Any,
    units: Any,
    used: Any,
) -> None:
    """The characters of each document, white space in a row being one blank.

    text, starts, ends, units, used: as in segment_words. ascii_image: (128,) uint8, 0 for white space.
    letters: (code points,) uint8, 0 for white space. flat: (>= N,) uint8; first, last: (>= N,) int64.
    """
    unit, at = 0, 0
    for d in range(len(starts)):
        begun, blank = unit, False
        for c in bytes(text[starts[d] : ends[d]]).decode("utf-8"):
            code = ord(c)
            image = ascii_image[code] if code < 128 else code * int(letters[code])
            if not image and blank:
                continue
            piece = chr(image or BLANK).encode("utf-8")
            blank = not image
            flat[at : at + len(piece)] = list(piece)
            first[unit], last[unit] = at, at + len(piece)
            at, unit = at + len(piece), unit + 1
        units[d] = unit - begun
    used[:] = unit, at


def _segment_characters_cpu(text, starts, ends, ascii_image, letters, flat, first, last, units, used):
    unit = at = 0
    for d in range(starts.size):
        begun = unit
        blank = False
        i, end = starts[d], ends[d]
        while i < end:
            byte = text[i]
            width = 1
            space = True
            if byte < 128:
                space = ascii_image[byte] == 0
            else:
                width = _width(byte)
                space = i + width > end or letters[_code(text, i, width)] == 0
            if not (space and blank):
                first[unit] = at
                if space:
                    flat[at] = BLANK
                    at += 1
                elif width == 1:
                    flat[at] = ascii_image[byte]
                    at += 1
                else:
                    for j in range(width):
                        flat[at] = text[i + j]
                        at += 1
                last[unit] = at
                unit += 1
            blank = space
            i += width
        units[d] = unit - begun
    used[0], used[1] = unit, at


def _check_characters(
    text: Any, starts: Any, ends: Any, ascii_image: Any, letters: Any, flat: Any, first: Any, last: Any,
    units: Any, used: Any,
) -> None:  # fmt: skip
    name = "segment_characters"
    _check_documents(name, text, starts, ends, units, used)
    checks.shaped(name, "ascii_image", ascii_image, (128,), np.uint8)
    _check_letters(name, text, letters)
    _room(name, "flat", flat, np.uint8, len(text))
    _room(name, "first", first, np.int64, len(text))
    _room(name, "last", last, np.int64, len(text))


segment_characters = kernel(
    "segment_characters", segment_characters_reference, cpu=_segment_characters_cpu, check=_check_characters,
    updates="flat first last units used",
)  # fmt: skip
