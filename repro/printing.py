"""Text that others wrote, made safe to print: on a terminal, in HTML, and in files that people open.

Names of data sets and files, ids, replies of language models and messages of other programs may hold sequences that
move the cursor, rewrite what stands above, set the clipboard or turn the direction of reading.
"""

from __future__ import annotations

import re

LONGEST_SENTENCE = 1500

_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, but for tab and line end
    "\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"  # breaks of lines, turns of the direction of writing
    "\ud800-\udfff"  # halves of pairs, which no file can hold
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"  # marks that nobody sees
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_FIGURES = re.compile(r"[+-]?\d[\d\s.,;%+\-−±→\[\]()*▼]*([eE][+-]?\d+[\d\s.,;%+\-−±→\[\]()*▼]*)*")


def printable(text: str) -> str:
    """Return a text with control characters and turns of direction spelt out, as ⟨U+202E⟩.

    They could move the cursor of a terminal, break a line or hide what is written; tabs, line ends and the
    joiners that some scripts and emoji need stay.
    """
    return _UNPRINTABLE.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)


def one_line(text: str, longest: int = LONGEST_SENTENCE) -> str:
    """Return a text as one printable line of at most ``longest`` characters; the middle of a longer one is left out."""
    line = printable(" ".join(text.split()) if "\n" in text or "\t" in text else text)
    if len(line) <= longest:
        return line
    half = (longest - 3) // 2
    return f"{line[:half]} … {line[-half:]}"


def for_spreadsheet(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: one that begins like one gets an apostrophe in front.

    Signed numbers and intervals, ``+0.0120 [+0.0100, +0.0140]``, stay as they are: no word stands in them.
    """
    if text.startswith(_FORMULA) and not _FIGURES.fullmatch(text):
        return f"'{text}"
    return text
