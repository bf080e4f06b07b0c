"""Checks a bundle with nothing but the installed package: what is in it, and all that follows from it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irllrec.data.raw import hash_file
from irllrec.errors import IrllrecError
from repro.bundle.archive import MOST_FILES, files_in, unpack
from repro.bundle.building import ENVIRONMENT, Steps, contained
from repro.bundle.comparing import compare_forms
from repro.bundle.deriving import README, TABLES, Derived, derive, readme_of, step_count
from repro.bundle.differences import Difference, Part, digits, shown
from repro.bundle.environment import CODE, is_same_machine, other_versions
from repro.bundle.guards import MOST_SAMPLES, unreadable
from repro.bundle.manifest import manifest_part
from repro.bundle.pins import pins_part
from repro.bundle.printed import Source
from repro.bundle.recomputing import DataFolderError, metrics_part, per_user_part, splits_of
from repro.bundle.record import RECORD, Bundle, read_record
from repro.bundle.reporting import REPORT, without_images
from repro.errors import ReproError
from repro.layout import Layout
from repro.params import Params, load_params


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Attributes:
        parts: What was checked, each with its differences.
        sha256: Of the archive.
        notes: What a reader should know beside it.
    """

    parts: tuple[Part, ...]
    sha256: str
    notes: tuple[str, ...]

    @property
    def differences(self) -> list[Difference]:
        """All of them, in the order of the parts."""
        return [one for part in self.parts for one in part.differences]


def check(archive: Path, *, data: Path | None, expect: str | None, steps: Steps) -> Checked:
    """Return what is not as it should be in a bundle.

    Args:
        archive: The zip.
        data: Where interactions lie that the bundle may not hold.
        expect: SHA-256 that the archive should have, in hexadecimal.
        steps: Shows progress.

    Raises:
        ReproError: If the archive is refused, or ``data`` is not the data of the bundle.
        DataError: If a member of the archive is refused.
    """
    with tempfile.TemporaryDirectory(prefix="irllrec-bundle-") as name:
        folder = Path(name).resolve()
        unpack(archive, folder)
        sha256 = hash_file(archive)
        parts = [*_archive(archive, sha256, expect)]
        notes: list[str] = []
        parts += list(_Check(folder, data, steps, notes).parts())
        own = f"{folder}/"
        notes = [note.replace(own, "") for note in notes]
    assert len(parts) <= MOST_FILES
    return Checked(tuple(parts), sha256, tuple(notes))


def _check_samples(params: Params) -> None:
    section = params.statistics
    if max(section.bootstrap_samples, section.randomisation_samples) > MOST_SAMPLES:
        raise ReproError(
            f"params.yaml asks for more than {MOST_SAMPLES:,} samples under `statistics`, which nobody can check."
        )


def _archive(archive: Path, sha256: str, expect: str | None) -> Iterator[Part]:
    if expect is not None:
        wrong = (Difference(archive.name, sha256, expect.lower()),) if sha256 != expect.lower() else ()
        yield Part("archive", "SHA-256 against --expect", 1, "hash", wrong)


class _Check:
    """One check of an unpacked bundle."""

    def __init__(self, folder: Path, data: Path | None, steps: Steps, notes: list[str]) -> None:
        self.layout = Layout(folder)
        self.data = data
        self.steps = steps
        self.notes = notes

    def parts(self) -> Iterator[Part]:
        """Yield each part; ends early where a file cannot be read or what all rests on is missing."""
        yield manifest_part(self.layout.root)
        names = files_in(self.layout.root)
        wrong = unreadable(self.layout.root, names)
        if wrong:
            yield Part("readable files", "form and sizes", len(names), "files", tuple(wrong))
            self.notes.append("Nothing else was checked: a file cannot be read.")
            return
        try:
            bundle = read_record(self.layout.root)
            params = load_params(self.layout.params)
            _check_samples(params)
            source = Source.read(self.layout, params, bundle.cells)
            splits = splits_of(self.layout, source.datasets, self.data)
        except DataFolderError:
            raise
        except (ReproError, IrllrecError) as error:
            yield Part("results", "cells", 0, "cells", (self._failed("the per-user results", error),))
            self.notes.append("Nothing was derived: what the tables rest on cannot be read.")
            return
        self._tell_versions()
        yield self._guarded("cells", lambda: self._record(bundle, params))
        yield self._guarded("per-user values", lambda: per_user_part(source.cells, splits, params))
        yield self._guarded("metrics.json", lambda: metrics_part(source.cells))
        yield from self._derived(source, bundle)

    def _derived(self, source: Source, bundle: Bundle) -> Iterator[Part]:
        failures: list[Difference] = []
        with self.steps("Deriving tables", step_count(source)) as advance:
            derived = derive(
                source,
                bundle,
                advance,
                lambda name, error: failures.append(self._failed(name, error)),
            )
        yield self._guarded("tables", lambda: self._tables(derived, bundle, failures))
        yield self._guarded("report", lambda: self._page(derived, bundle))
        yield self._guarded("dvc.lock", lambda: pins_part(self.layout, bundle, derived.files))
        yield self._guarded("words", lambda: self._words(derived, bundle))

    def _words(self, derived: Derived, bundle: Bundle) -> Part:
        """Return whether README.md and the list of commands follow from the rest."""
        stored = (self.layout.root / README).read_text(encoding="utf-8")
        found = compare_forms("", README, stored, readme_of(bundle))
        for name in sorted({*derived.commands, *bundle.commands}):
            one, other = bundle.commands.get(name, "none"), derived.commands.get(name, "none")
            if one != other:
                found.append(Difference(RECORD, one, other, column=f"commands.{name}"))
        return Part("words", "README.md and the commands in bundle.json", 2, "files", tuple(found))

    def _record(self, bundle: Bundle, params: Params) -> Part:
        """Return whether bundle.json tells of what is there."""
        runs = {
            f"{params.cells[key].dataset}/{params.cells[key].backbone}/{params.cells[key].variant}"
            for key in bundle.cells
        }
        there = {
            name.removeprefix("runs/").rpartition("/")[0] for name in files_in(self.layout.root / "runs")
        }
        grid = {key for key, cell in params.cells.items() if cell.dataset in bundle.datasets}
        listed = {*bundle.cells, *bundle.left_out}
        held = {name: contained(params, name) for name in bundle.datasets}
        found = [
            *(
                Difference(RECORD, name, "a cell of the bundle", column="cells")
                for name in sorted(runs ^ there)
            ),
            *(
                Difference(RECORD, name, "a cell of the grid", column="cells")
                for name in sorted(grid ^ listed)
            ),
            *(
                Difference(RECORD, str(one), str(held[name]), column=f"datasets.{name}")
                for name, one in bundle.datasets.items()
                if one != held[name]
            ),
        ]
        return Part("cells", "bundle.json, the grid and the runs", len(bundle.cells), "cells", tuple(found))

    def _tables(self, derived: Derived, bundle: Bundle, failures: list[Difference]) -> Part:
        """Return what differs in the tables; one that only a newer release prints is not asked for."""
        if not self._is_same_code():
            derived.keep(bundle.commands)
        folder = self.layout.root / TABLES
        stored = {f"{TABLES}/{name}" for name in files_in(folder)} if folder.is_dir() else set()
        found = list(failures)
        count = 0
        for table, forms in derived.tables.items():
            for ending, text in forms.items():
                file = f"{TABLES}/{table}.{ending}"
                count += digits(text)
                if file not in stored:
                    found.append(Difference(file, "missing", "a table", table))
                    continue
                there = (self.layout.root / file).read_bytes().decode("utf-8")
                found += compare_forms(table, file, there, text)
        extra = sorted(stored - set(derived.files))
        found += [
            Difference(name, "a file", "none: no such table follows from the results") for name in extra
        ]
        what = f"{len(derived.tables)} tables made anew in six forms"
        return Part("tables", what, count, "digits", tuple(found))

    def _page(self, derived: Derived, bundle: Bundle) -> Part:
        """Return whether the report's bytes follow from the rest, where the same libraries draw it."""
        path = self.layout.root / REPORT
        if not path.is_file() or derived.report is None:
            wrong = (Difference(REPORT, "missing", "a report"),) if bundle.has_report else ()
            return Part("report", "the page", 0, "digits", wrong, "" if wrong else "none in the bundle")
        stored, environment = path.read_bytes().decode("utf-8"), self._environment()
        other = other_versions(environment)
        if other:
            told = ", ".join(other.values())
            return Part("report", "by its hash only", 1, "hash", (), f"not drawn again: {told}")
        found = compare_forms("report", REPORT, without_images(stored), without_images(derived.report))
        note = ""
        if stored != derived.report and not found:
            if is_same_machine(environment):
                found = [Difference(REPORT, "other images or layout", "the page made anew")]
            else:
                note = "images are drawn otherwise on this machine; those in the file were checked by hash"
        return Part("report", "the page made anew", digits(derived.report), "digits", tuple(found), note)

    def _environment(self) -> dict[str, Any]:
        stored: dict[str, Any] = json.loads((self.layout.root / ENVIRONMENT).read_text(encoding="utf-8"))
        return stored

    def _is_same_code(self) -> bool:
        return CODE not in other_versions(self._environment())

    def _tell_versions(self) -> None:
        try:
            other = other_versions(self._environment())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self.notes.append(f"{ENVIRONMENT} tells no versions to compare with.")
            return
        if other:
            self.notes.append(
                f"Other versions here than where the bundle was made: {', '.join(other.values())}."
            )

    def _guarded(self, name: str, make: Callable[[], Part]) -> Part:
        """Return a part; whatever goes wrong in making it is a difference: the files may be anyone's."""
        try:
            return make()
        except Exception as error:
            return Part(name, "not derived", 0, "values", (self._failed(name, error),))

    def _failed(self, name: str, error: Exception) -> Difference:
        sentence = (
            str(error) if isinstance(error, ReproError | IrllrecError) else f"{type(error).__name__}: {error}"
        )
        return Difference(name, shown(sentence.replace(f"{self.layout.root}/", "")), "what can be derived")
