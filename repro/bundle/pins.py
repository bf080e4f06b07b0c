"""What dvc.lock says of the files and settings in a bundle: a second record of hashes, kept by DVC."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from irllrec.errors import DataError
from repro.bundle.archive import files_in
from repro.bundle.differences import Difference, Part
from repro.bundle.record import Bundle
from repro.errors import ReproError
from repro.layout import Layout
from repro.yaml_text import YamlError, parse_yaml, read_yaml_text

LOCK = "dvc.lock"
_PARAMS = "params.yaml"
_MISSING = object()
_STAGE_TABLE = re.compile(
    r"tables/(?P<table>main|significance)-(?P<dataset>[a-z0-9-]+)\.(?P<form>csv|md|tex)"
)


def unpinned(layout: Layout, keys: Sequence[str], tables: Mapping[str, str]) -> list[str]:
    """Return files and settings that are not as dvc.lock names them; all is well where it is empty.

    A file counts if a stage of the lock reads or writes it, a setting if a stage of one of the cells reads it;
    ``no dvc.lock`` where there is none.

    Args:
        layout: The folder of a bundle.
        keys: The cells in it.
        tables: Its derived files by name; some are what stages of the pipeline write below results/.

    Raises:
        ReproError: If dvc.lock or params.yaml is not what it must be.
    """
    path = layout.root / LOCK
    if not path.is_file():
        return [f"no {LOCK}"]
    stages = _stages(path)
    pinned = _pinned_files(stages)
    names = [name for name in files_in(layout.root) if name in pinned]
    wrong = [name for name in names if _md5(layout.root / name) != pinned[name]]
    for name, text in _written_by_stages(tables).items():
        if name in pinned and hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() != pinned[name]:
            wrong.append(name)
    known = {f"{step}@{key}" for key in keys for step in ("train", "evaluate")}
    wrong += [f"{stage} in {LOCK}" for stage in sorted(known - set(stages))]
    content = _yaml(layout.params)
    for stage in sorted(known & set(stages)):
        for key, value in _settings(stages[stage]):
            if _plain(_at(content, key)) != _plain(value):
                wrong.append(f"{_PARAMS}: {key}")
    return list(dict.fromkeys(wrong))


def pins_part(layout: Layout, bundle: Bundle, tables: Mapping[str, str]) -> Part:
    """Return whether dvc.lock and the files agree as they did when the bundle was made.

    Args:
        layout: The folder of a bundle.
        bundle: What was noted when it was made.
        tables: The derived files by name.
    """
    expected, redacted = bundle.not_pinned, bundle.redacted
    try:
        wrong = unpinned(layout, bundle.cells, tables)
        pinned = _pinned_files(_stages(layout.root / LOCK)) if (layout.root / LOCK).is_file() else {}
    except (ReproError, DataError) as error:
        return Part("dvc.lock", "not read", 0, "files", (Difference(LOCK, str(error), "a lock file"),))
    found = [
        Difference(name, "not as dvc.lock names it", "as it was") for name in wrong if name not in expected
    ]
    found += [Difference(name, "as dvc.lock names it", "not so") for name in expected if name not in wrong]
    count = sum(name in pinned for name in files_in(layout.root))
    note = ""
    if expected:
        cleaned = [name for name in expected if name in redacted]
        rest = [name for name in expected if name not in redacted]
        note = "; ".join(
            [f"{len(cleaned)} cleaned of paths"] * bool(cleaned)
            + [f"not pinned when the bundle was made: {', '.join(rest[:5])}" + " …" * (len(rest) > 5)]
            * bool(rest)
        )
    return Part(
        "dvc.lock",
        "the pipeline's hashes and settings",
        count,
        "files",
        tuple(found),
        note,
    )


def _written_by_stages(tables: Mapping[str, str]) -> dict[str, str]:
    """Return those of the derived files that the stages tabulate and compare write, by their names."""
    found = {}
    for name, text in tables.items():
        told = _STAGE_TABLE.fullmatch(name)
        if told:
            found[f"results/{told['dataset']}/{told['table']}.{told['form']}"] = text
    return found


def _stages(path: Path) -> dict[str, dict[str, Any]]:
    stages = _yaml(path).get("stages")
    if not isinstance(stages, dict) or not all(isinstance(stage, dict) for stage in stages.values()):
        raise ReproError(f"{path.name} holds no stages: restore it, or run `dvc repro`.")
    return stages


def _pinned_files(stages: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the MD5 of each file that a stage writes or reads; who writes it is believed first."""
    found: dict[str, str] = {}
    for kind in ("outs", "deps"):
        for stage in stages.values():
            for entry in stage.get(kind) or ():
                if isinstance(entry, dict) and isinstance(entry.get("md5"), str):
                    found.setdefault(str(entry.get("path")), entry["md5"])
    return found


def _settings(stage: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    params = stage.get("params")
    section = params.get(_PARAMS) if isinstance(params, dict) else None
    yield from section.items() if isinstance(section, dict) else ()


def _at(content: Any, key: str) -> Any:
    """Return what stands under a dotted key."""
    for part in str(key).split("."):
        content = content.get(part, _MISSING) if isinstance(content, dict) else _MISSING
    return content


def _plain(value: Any) -> Any:
    """Return a value without what two writers of YAML do differently: 1e-06 is text to one of them."""
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _yaml(path: Path) -> dict[str, Any]:
    try:
        content = parse_yaml(read_yaml_text(path, "restore it"))
    except YamlError:
        raise ReproError(f"{path.name} is missing or not valid YAML: restore it.") from None
    if not isinstance(content, dict):
        raise ReproError(f"{path.name} holds no sections: restore it.")
    return content


def _md5(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
