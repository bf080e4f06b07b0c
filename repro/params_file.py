"""Edits of params.yaml that keep every comment: whole entries are added and taken out as lines."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from irllrec.data.storage import write_text
from repro.errors import ReproError
from repro.yaml_text import YamlError, check_yaml, read_yaml_text

if TYPE_CHECKING:
    from ruamel.yaml import YAML


class ParamsFile:
    """The text of a params.yaml being edited; ``save`` writes it only if the result is valid."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = read_source(path).splitlines()

    @property
    def content(self) -> Any:
        """The text as parsed, with numbers as they are written."""
        return parse_yaml("\n".join(self.lines) + "\n", self.path)

    def insert(self, section: str, key: str, value: Mapping[str, Any], *, block: bool = False) -> None:
        """Add ``key`` as the last entry of ``section``, replacing an entry of that name.

        Args:
            section: A top-level key; it is added when the file has none of that name.
            key: The entry's name.
            value: The entry.
            block: Write one line for each key of ``value`` instead of one line in all.
        """
        self.delete(section, key)
        start = self._section(section)
        if start is None:
            self.lines += ["", f"{section}:"]
            start = len(self.lines) - 1
        self.lines[start] = re.sub(r":\s*\{\s*\}", ":", self.lines[start], count=1)
        self.lines[self._end(start) : self._end(start)] = _entry_lines(key, value, block=block)

    def delete(self, section: str, key: str) -> bool:
        """Take ``key`` out of ``section`` and return whether it was there."""
        start = self._section(section)
        if start is None:
            return False
        end = self._end(start)
        for first in range(start + 1, end):
            if re.match(rf" +{re.escape(key)}:(\s|$)", self.lines[first]):
                indent = _indent(self.lines[first])
                last = first + 1
                while last < end and (not self.lines[last].strip() or _indent(self.lines[last]) > indent):
                    last += 1
                del self.lines[first:last]
                if self._end(start) == start + 1:
                    self.lines[start] = re.sub(rf"^{section}:", f"{section}: {{}}", self.lines[start])
                return True
        return False

    def update(self, section: str, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Set fields of entries that are there, in place.

        Args:
            section: A top-level key.
            changes: Entry → field → its value; None takes the field out.
        """
        content = self.content
        for key, fields in changes.items():
            entry = content[section][key]
            for field, value in fields.items():
                if value is None:
                    entry.pop(field, None)
                else:
                    entry[field] = inline(value) if isinstance(value, Mapping) else value
        self.lines = dump_yaml(content).splitlines()

    def save(self) -> None:
        """Check the text and write it, atomically.

        Raises:
            ReproError: If it is not a valid params.yaml; the file stays as it was.
        """
        from repro.params import parse_params

        text = "\n".join(self.lines) + "\n"
        parse_params(text, self.path)
        write_text(self.path, text)

    def _section(self, section: str) -> int | None:
        matches = (n for n, line in enumerate(self.lines) if re.match(rf"{re.escape(section)}:(\s|$)", line))
        return next(matches, None)

    def _end(self, start: int) -> int:
        """Return the line after the last entry of the section that starts at line ``start``."""
        end = start + 1
        for number in range(start + 1, len(self.lines)):
            line = self.lines[number]
            if line.strip() and not line.startswith((" ", "#")):
                break
            if line.startswith(" ") and not line.lstrip().startswith("#"):
                end = number + 1
        return end


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _entry_lines(key: str, value: Mapping[str, Any], *, block: bool) -> list[str]:
    from ruamel.yaml.comments import CommentedMap

    entry = inline(value)
    if block:
        entry = CommentedMap(entry)
        entry.fa.set_block_style()
    return ["  " + line for line in dump_yaml({key: entry}).splitlines()]


def inline(value: Mapping[str, Any]) -> Any:
    """Return ``value`` as a YAML mapping that is written on one line."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    mapping = CommentedMap()
    for key, entry in value.items():
        if isinstance(entry, Mapping):
            mapping[key] = inline(entry)
        elif isinstance(entry, list | tuple):
            mapping[key] = CommentedSeq(entry)
            mapping[key].fa.set_flow_style()
        else:
            mapping[key] = entry
    mapping.fa.set_flow_style()
    return mapping


def read_source(path: Path) -> str:
    """Return the text of a YAML file of the checkout.

    Raises:
        ReproError: If it is missing, no file, too large or not UTF-8.
    """
    return read_yaml_text(path, f"restore it with `git checkout -- {path.name}`")


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file, keeping how its numbers are written."""
    return parse_yaml(read_source(path), path)


def parse_yaml(text: str, path: Path) -> Any:
    """Return the content of ``text``; ``path`` names it in errors.

    Raises:
        ReproError: If it is not YAML.
    """
    from ruamel.yaml.error import YAMLError

    try:
        check_yaml(text)
        return _yaml().load(text)
    except YamlError as error:
        raise ReproError(f"{path} is not valid YAML: mend {error}.") from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "its content"
        raise ReproError(f"{path} is not valid YAML: mend {where}.") from None
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        # ruamel.yaml raises these where a date, a number or a tag is not what it looks like.
        raise ReproError(f"{path} is not valid YAML ({type(error).__name__}): mend its content.") from None


def dump_yaml(content: Any) -> str:
    """Return ``content`` as YAML text."""
    buffer = io.StringIO()
    _yaml().dump(content, buffer)
    return buffer.getvalue()


def _yaml() -> YAML:
    from ruamel.yaml import YAML
    from ruamel.yaml.representer import RoundTripRepresenter

    # A class of its own: ruamel registers for the whole class, and DVC writes dvc.lock with the other.
    class Representer(RoundTripRepresenter):
        pass

    Representer.add_representer(float, _represent_float)
    yaml = YAML()
    yaml.Representer = Representer
    yaml.preserve_quotes = True
    yaml.width = 100_000
    return yaml


def _represent_float(representer: Any, value: float) -> Any:
    """Write 1e-07 as 1.0e-07: without the point, readers of YAML 1.1 take it for a word."""
    text = repr(value)
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")
    return representer.represent_scalar("tag:yaml.org,2002:float", text)
