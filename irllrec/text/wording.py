"""Texts as bare words, so that one can be found in another however it was written, or cut."""

from __future__ import annotations

import re

from irllrec.text.evidence import CUT_MARK, quotable
from irllrec.text.prompts import Prompt

LEAST_REVIEW_WORDS = 6
"""A shorter review is not looked for: its words stand together by chance."""

_BETWEEN_WORDS = re.compile(r" ?(?:[^\w\n\x00 ]|_)(?:[^\w\n\x00]|_)*")
_CUT = "\x00"


def plain_words(text: str) -> str:
    """Return the words of a text in lower case, a space before and after each."""
    return f" {' '.join(_BETWEEN_WORDS.sub(' ', quotable(text).casefold()).split())} "


def plain_prompt(prompt: Prompt) -> str:
    """Return the words of a prompt, line by line; a line that was cut ends in NUL."""
    text = "\n".join(text for role, text in prompt.messages if role == "user").casefold()
    text = text.replace(f"{CUT_MARK}\n", f" {_CUT}\n")
    return " " + _BETWEEN_WORDS.sub(" ", text).replace("\n", " \n ") + " "


def cut_review(review: str, text: str) -> str:
    """Return the beginning of a review in which a cut line ends, or an empty text."""
    beginning = f" {' '.join(review.split()[:LEAST_REVIEW_WORDS])} "
    start = text.find(beginning)
    while start >= 0:
        line = text[start:].partition("\n")[0].rstrip(" ")
        if line.endswith(_CUT) and review.startswith(found := line.removesuffix(_CUT)):
            return found
        start = text.find(beginning, start + 1)
    return ""
