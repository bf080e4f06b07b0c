"""YAML of anyone's making: measured before it is built, so that a few lines cannot unfold to gigabytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repro.errors import ReproError

MOST_BYTES = 1 << 20
MOST_BYTES_OF = {"dvc.lock": 64 << 20, "dvc.yaml": 8 << 20}
MOST_DEPTH = 50
MOST_UNFOLDED = 50
"""Values after aliases are replaced by what they stand for, to values that are written out …"""
FREE_UNFOLDED = 100_000
"""… beyond so many."""


class YamlError(ValueError):
    """A text is not acceptable YAML; its own text is the reason in a few words, and names the line if it can."""


def read_yaml_text(path: Path, fix: str) -> str:
    """Return the text of a YAML file.

    Args:
        path: The file.
        fix: What an error tells the user to do.

    Raises:
        ReproError: If it is missing, no file, too large or not UTF-8.
    """
    limit = MOST_BYTES_OF.get(path.name, MOST_BYTES)
    try:
        with path.open("rb") as handle:
            content = handle.read(limit + 1)
    except FileNotFoundError:
        raise ReproError(f"{path} is missing: {fix}.") from None
    except IsADirectoryError:
        raise ReproError(f"{path} is a folder, not a file: {fix}.") from None
    if len(content) > limit:
        raise ReproError(f"{path} is larger than the {limit:,} bytes that it may have: {fix}.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ReproError(f"{path} is not valid YAML: mend line {line}, which is not UTF-8.") from None


def load_yaml(text: str, path: Path) -> Any:
    """Return the content of ``text``; ``path`` names it in errors.

    Raises:
        ReproError: If it is not YAML, or not acceptable.
    """
    try:
        return parse_yaml(text)
    except YamlError as error:
        raise ReproError(f"{path} is not valid YAML: mend {error}.") from None


def parse_yaml(text: str) -> Any:
    """Return the content of a YAML text: plain mappings, lists, strings, numbers, dates.

    Raises:
        YamlError: If it is not YAML, names a Python object, has a key twice, nests deeper than 50, holds itself, or
            unfolds by its aliases to much more than what is written.
    """
    import yaml

    check_yaml(text)
    try:
        return yaml.load(text, Loader=_loader())
    except yaml.YAMLError as error:
        raise YamlError(_place(error)) from None
    except (ValueError, OverflowError, RecursionError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise YamlError(f"a value that cannot be read ({reason})") from None


def check_yaml(text: str, *, aliases: bool = True) -> None:
    """Refuse YAML that is dangerous or ambiguous, by walking its events; nothing is built.

    Args:
        text: The text.
        aliases: Whether it may have any.

    Raises:
        YamlError: As :func:`parse_yaml`.
    """
    import yaml

    walk = _Walk(aliases)
    try:
        for event in yaml.parse(text, Loader=_loader()):
            walk.step(event)
    except yaml.YAMLError as error:
        raise YamlError(_place(error)) from None
    except (ValueError, RecursionError) as error:
        raise YamlError(str(error) if isinstance(error, YamlError) else "its content") from None


def _loader() -> Any:
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _place(error: Any) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}" if mark else "its content"


class _Walk:
    """Counts what a YAML text unfolds to, event by event."""

    def __init__(self, aliases: bool) -> None:
        self.aliases = aliases
        self.written = self.unfolded = 0
        self.open: list[tuple[str | None, int, set[str] | None]] = []
        self.sizes: dict[str, int] = {}
        self.keys: list[int] = []

    def step(self, event: Any) -> None:
        import yaml

        line = f"line {event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent):
            if not self.aliases:
                raise YamlError(f"{line}, which has an alias")
            if event.anchor not in self.sizes:
                raise YamlError(f"{line}, whose alias stands for nothing, or for what it is part of")
            self._add(self.sizes[event.anchor], None, line)
        elif isinstance(event, yaml.ScalarEvent):
            self._add(1, event.value, line)
            if event.anchor:
                self.sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            self._add(1, None, line)
            if len(self.open) >= MOST_DEPTH:
                raise YamlError(f"{line}, which nests deeper than {MOST_DEPTH}")
            keys: set[str] | None = set() if isinstance(event, yaml.MappingStartEvent) else None
            self.open.append((event.anchor, self.unfolded, keys))
            self.keys.append(0)
            self.sizes.pop(event.anchor, None)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before, _ = self.open.pop()
            self.keys.pop()
            if anchor:
                self.sizes[anchor] = self.unfolded - before + 1

    def _add(self, size: int, scalar: str | None, line: str) -> None:
        """Count a value, and look whether it is a key that stood before."""
        self.written += 1
        self.unfolded += size
        if self.unfolded > max(FREE_UNFOLDED, MOST_UNFOLDED * self.written):
            raise YamlError(f"{line}, whose aliases unfold without end")
        if not self.open or (keys := self.open[-1][2]) is None:
            return
        self.keys[-1] += 1
        if self.keys[-1] % 2 and scalar is not None and scalar != "<<":
            if scalar in keys:
                raise YamlError(f"{line}, where the key {ascii(scalar)[:60]} stands for the second time")
            keys.add(scalar)
