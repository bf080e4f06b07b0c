"""Stage code: one file with the hashes of the code that all stages of a kind share, for them to watch.

The list of that code is the ``deps`` of the stage ``code-KIND`` in dvc.yaml, and stands nowhere else.
"""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

from repro.layout import Layout
from repro.stages.entry import read_name, run


def main(argv: list[str]) -> None:
    """Write the hashes of the code of the kind of stage that ``argv`` names."""
    kind = read_name(argv, "code", "a kind of stage whose code dvc.yaml lists under code-KIND")
    write_code_hashes(Layout.find(), kind)


def write_code_hashes(layout: Layout, kind: str) -> None:
    """Write ``{path: sha256}`` of what the stage ``code-KIND`` depends on, sorted by path.

    Raises:
        ReproError: If dvc.yaml has no such stage.
    """
    from irllrec.data.storage import write_json
    from repro.errors import ReproError
    from repro.provenance import sha256_of_files
    from repro.yaml_text import load_yaml, read_yaml_text

    content = read_yaml_text(layout.pipeline, "restore it with `git checkout dvc.yaml`")
    stages = load_yaml(content, layout.pipeline)["stages"]
    if f"code-{kind}" not in stages:
        known = ", ".join(name.removeprefix("code-") for name in stages if name.startswith("code-"))
        raise ReproError(f"{layout.pipeline} has no stage code-{kind}: name one of {known}.")
    listed = [layout.root / dep for dep in stages[f"code-{kind}"]["deps"]]
    files = [file for path in listed for file in watched_files(layout, path)]
    write_json(layout.code(kind), sha256_of_files(files, layout.root))


def watched_files(layout: Layout, path: Path) -> list[Path]:
    """Return ``path``, or the files in and below that folder which DVC watches.

    DVC leaves out what ``.dvcignore`` names; there the patterns are bare names, without folders.
    """
    if not path.is_dir():
        return [path]
    ignore = layout.root / ".dvcignore"
    lines = ignore.read_text(encoding="utf-8").split() if ignore.is_file() else []
    patterns = [line.rstrip("/") for line in lines]
    return [
        file
        for file in sorted(path.rglob("*"))
        if file.is_file()
        and not any(fnmatch(part, pattern) for part in file.relative_to(path).parts for pattern in patterns)
    ]


if __name__ == "__main__":
    run(main)
