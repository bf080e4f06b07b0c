"""Changes of bytes for where no coverage-guided fuzzer is installed."""

from __future__ import annotations

import numpy as np

_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)
_WORDS = (
    b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\x1b[31m", b"\x1b]8;;http://x\x07", b"\xe2\x80\xae", b"\r", b"\n", b'"',
    b"nan", b"-1e999", b"9" * 5000, b"[" * 3000, b"{" * 3000, b'{"a":' * 1500, b"&a [*a,*a]", b"!!python/object:os.x",
    b"<<: *a", b"\\ud800", b"=1+1", b"cos\nsystem\n", b"\x93NUMPY", b"PK\x05\x06", b"1:1:1", b"2001-99-99",
)  # fmt: skip


def mutated(random: np.random.Generator, contents: list[bytes], longest: int = 1 << 16) -> bytes:
    """Return one of the contents with one to eight changes."""
    content = bytearray(contents[random.integers(len(contents))])
    for _ in range(int(random.integers(1, 9))):
        _change(random, content, contents)
    return bytes(content[:longest])


def _change(random: np.random.Generator, content: bytearray, contents: list[bytes]) -> None:
    place = int(random.integers(len(content) + 1))
    length = int(min(random.integers(1, 65), len(content) - place))
    kind = int(random.integers(8))
    if kind == 0 and content:
        content[min(place, len(content) - 1)] ^= 1 << int(random.integers(8))
    elif kind == 1 and content:
        content[min(place, len(content) - 1)] = int(random.integers(256))
    elif kind == 2:
        del content[place : place + length]
    elif kind == 3:
        content[place:place] = content[place : place + length] * int(random.integers(1, 9))
    elif kind == 4:
        word = _WORDS[random.integers(len(_WORDS))]
        content[place : place + (length if random.integers(2) else 0)] = word
    elif kind == 5:
        size = int(random.choice([1, 2, 4, 8]))
        number = _NUMBERS[random.integers(len(_NUMBERS))] & (256**size - 1)
        content[place : place + size] = number.to_bytes(size, "little" if random.integers(2) else "big")
    elif kind == 6:
        other = contents[random.integers(len(contents))]
        start = int(random.integers(len(other) + 1))
        content[place : place + length] = other[start : start + int(random.integers(1, 129))]
    else:
        del content[place:]
