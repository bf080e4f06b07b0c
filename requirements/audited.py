"""Says what pip-audit's JSON report found; exits with 1 if there are vulnerabilities.

Run by requirements/audit. It stands apart because pip-audit counts a package that the database does not know as
fine, so that a report on nothing looks like a clean one.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def judge(report: dict[str, Any]) -> tuple[int, str]:
    """Return the exit code and the text for ``report`` as ``pip-audit --format json`` writes it."""
    packages = report["dependencies"]
    unknown = sorted(each["name"] for each in packages if "skip_reason" in each)
    if len(unknown) == len(packages):
        return 0, f"Not audited: the database knows none of the {len(packages)} packages; is it PyPI's own?"
    lines = []
    for each in packages:
        for found in each.get("vulns", ()):
            mended = ", ".join(found["fix_versions"]) or "none yet"
            lines.append(f"{each['name']} {each['version']}: {found['id']}, mended in: {mended}")
    audited = f"{len(packages) - len(unknown)} packages audited"
    if unknown:
        audited += f", {len(unknown)} unknown to the database ({', '.join(unknown)})"
    if lines:
        return 1, "\n".join((*lines, f"{audited}: {len(lines)} known vulnerabilities."))
    return 0, f"{audited}: no known vulnerability."


def main() -> int:
    """Judge the report that the first argument names."""
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    if not text.strip():
        print("pip-audit wrote no report: run requirements/audit by hand and look.", file=sys.stderr)
        return 1
    code, words = judge(json.loads(text))
    print(words)
    return code


if __name__ == "__main__":
    sys.exit(main())
