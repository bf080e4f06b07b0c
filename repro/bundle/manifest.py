"""Size and SHA-256 of every file of a bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from irllrec.data.raw import hash_file
from irllrec.data.storage import write_json
from repro.bundle.archive import files_in
from repro.bundle.differences import Difference, Part, shown

MANIFEST = "manifest.json"


def write_manifest(folder: Path) -> None:
    """Write the manifest of all other files below ``folder``."""
    write_json(folder / MANIFEST, {"files": _measured(folder)})


def manifest_part(folder: Path) -> Part:
    """Return what is missing, extra or altered, by name; the manifest's own form counts as well."""
    measured = _measured(folder)
    total = sum(entry["bytes"] for entry in measured.values())
    what = f"sizes and SHA-256 of {total:,} bytes"
    try:
        text = (folder / MANIFEST).read_text(encoding="utf-8")
        listed = json.loads(text)["files"]
        entries = {str(name): dict(entry) for name, entry in dict(listed).items()}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        wrong = Difference(MANIFEST, "missing or unreadable", "a list of files")
        return Part("files", what, len(measured), "files", (wrong,))
    found = [
        *(
            Difference(name, "missing", "a file of the manifest")
            for name in sorted(set(entries) - set(measured))
        ),
        *(Difference(name, "a file", "not in the manifest") for name in sorted(set(measured) - set(entries))),
        *(
            Difference(name, f"{entry['bytes']:,} bytes, {entry['sha256'][:16]}…", _words(entries[name]))
            for name, entry in measured.items()
            if name in entries and entries[name] != entry
        ),
    ]
    if text != _form({"files": entries}) and not found:
        found.append(Difference(MANIFEST, "another form", "the form that `repro bundle` writes"))
    return Part("files", what, len(measured), "files", tuple(found))


def _measured(folder: Path) -> dict[str, dict[str, Any]]:
    return {
        name: {"bytes": (folder / name).stat().st_size, "sha256": hash_file(folder / name)}
        for name in files_in(folder)
        if name != MANIFEST
    }


def _words(entry: dict[str, Any]) -> str:
    return shown(f"{entry.get('bytes')} bytes, {str(entry.get('sha256'))[:16]}…")


def _form(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
