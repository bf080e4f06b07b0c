"""dvc.lock: what it holds, and what to do where it is damaged."""

from __future__ import annotations

from repro.errors import ReproError
from repro.layout import Layout
from repro.yaml_text import YamlError, parse_yaml, read_yaml_text

_FIX = (
    "restore it with `git checkout dvc.lock`, or delete it where there is no git; what was made before is taken "
    "from DVC's cache and not made again"
)


def locked_stages(layout: Layout) -> list[str]:
    """Return the names of the stages in dvc.lock, in its order; none where there is no such file.

    Raises:
        ReproError: If the file is damaged, as plain DVC leaves it that was killed while it wrote.
    """
    path = layout.root / "dvc.lock"
    if not path.is_file():
        return []
    text = read_yaml_text(path, _FIX)
    try:
        content = parse_yaml(text)
    except YamlError as error:
        raise ReproError(f"{path} is damaged ({error}): {_FIX}.") from None
    stages = content.get("stages") if isinstance(content, dict) else None
    if not isinstance(stages, dict):
        raise ReproError(f"{path} is damaged (it lists no stages): {_FIX}.")
    return list(stages)
