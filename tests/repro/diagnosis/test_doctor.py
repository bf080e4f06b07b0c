"""The doctor on real checkouts: each problem is found, and has its fix beside it."""

from __future__ import annotations

import csv
import io
import os
import re
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from repro.checkout_lock import writing
from repro.cli import run
from repro.diagnosis.findings import Finding
from repro.diagnosis.hosts import hosts
from repro.diagnosis.machine import CLOCK_TOLERANCE_SECONDS, clock, threads
from repro.diagnosis.software import software
from repro.layout import Layout
from repro.params import Params, load_params
from tests.ollama_server import EMBEDDER, MODEL, VERSION, OllamaServer


def findings(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Run the command; return its exit code and its rows by subject."""
    code = run(["doctor", "--format", "csv", *words])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    return code, {row["subject"]: row for row in rows}


def test_a_healthy_checkout_has_nothing_to_fix(small: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    code, rows = findings(capsys, "--quick")
    assert code == 0, [row for row in rows.values() if row["ok"] == "no"]
    subjects = {
        "torch",
        "threads",
        "memory",
        "disk",
        "accelerator",
        "clock",
        "locale",
        "lock",
        "demo",
        "Ollama",
    }
    assert subjects <= set(rows)


def test_an_altered_file_is_named_with_the_command_that_brings_it_back(
    small: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    victim = next(path for path in small.raw("demo").iterdir() if path.name != "manifest.json")
    victim.chmod(0o644)
    victim.write_bytes(victim.read_bytes() + b"\n")
    code, rows = findings(capsys)
    assert code == 1
    assert rows["demo"]["ok"] == "no"
    assert victim.name in rows["demo"]["found"]
    assert rows["demo"]["fix"] == "dvc repro"


def test_who_writes_here_is_said(small: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    with writing(small):
        _, rows = findings(capsys, "--quick")
    assert str(os.getpid()) in rows["lock"]["found"]
    assert rows["lock"]["fix"].startswith("wait for it")
    assert findings(capsys, "--quick")[1]["lock"]["found"] == "free"


@pytest.mark.parametrize("content", ["", '{"write": {"trai'])
def test_the_half_record_of_a_killed_dvc_is_named_with_what_removes_it(
    small: Layout, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    record = small.root / ".dvc" / "tmp" / "rwlock"
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text('{"write": {}, "read": {}}')
    assert "DVC's record" not in findings(capsys, "--quick")[1]

    record.write_text(content)
    code, rows = findings(capsys, "--quick")

    assert code == 1
    assert rows["DVC's record"]["fix"].startswith("rm .dvc/tmp/rwlock")


def test_the_log_of_a_bug_is_pointed_at(small: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    (small.state / "logs").mkdir(parents=True)
    (small.state / "logs" / "bug-20260101-000000-1.txt").write_text("Traceback")
    code, rows = findings(capsys, "--quick")
    assert code == 0
    assert "bug-20260101-000000-1.txt" in rows["bugs"]["found"]


def test_a_package_that_is_not_its_pin_is_found(small: Layout) -> None:
    (small.root / "constraints.txt").write_text("numpy==0.1\ntyper==0.2\nnot-installed==1.0\n")
    found = {finding.subject: finding for finding in software(small)}
    assert found["numpy"].wrong
    assert "pinned is 0.1" in found["numpy"].found
    assert found["other packages"].found.startswith("1 of 1 differ from their pins: typer ")
    assert "not-installed" not in found["other packages"].found


def test_a_limit_of_memory_is_told_and_a_small_one_is_a_problem(
    small: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    text = small.params.read_text(encoding="utf-8")
    assert "memory_gib: auto" in text
    small.params.write_text(text.replace("memory_gib: auto", "memory_gib: 0.5"), encoding="utf-8")
    code, rows = findings(capsys, "--quick")
    assert code == 1
    assert "512 MiB may be taken" in rows["memory"]["found"]
    assert rows["memory"]["fix"]


def test_a_clock_that_lies_behind_the_files_is_a_problem(small: Layout) -> None:
    now = time.time()
    assert not clock(small.root, now).wrong
    os.utime(small.root / "params.yaml", (now, now + CLOCK_TOLERANCE_SECONDS / 2))
    assert not clock(small.root, now).wrong
    os.utime(small.root / "params.yaml", (now, now + 86400))
    found = clock(small.root, now)
    assert found.wrong
    assert found.fix


@pytest.mark.parametrize(
    ("environment", "fix"),
    [
        ({}, ""),
        ({"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "2"}, ""),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, "export OMP_WAIT_POLICY=PASSIVE"),
        ({"OMP_NUM_THREADS": "16"}, "unset OMP_NUM_THREADS"),
        ({"OMP_NUM_THREADS": "2,1"}, ""),
    ],
)
def test_threads_that_would_hinder_each_other_are_a_problem(environment: dict[str, str], fix: str) -> None:
    found = threads(environment, 2)
    assert (found.fix, found.wrong) == (fix, bool(fix))


def asking(small: Layout, *addresses: str) -> Params:
    """Return the grid with a text that asks models of the given hosts."""
    text = small.params.read_text(encoding="utf-8")
    listed = ", ".join(f'"{address}"' for address in addresses)
    assert "  device: auto" in text
    text = text.replace("  device: auto", f"  ollama: {{hosts: [{listed}]}}\n  device: auto", 1)
    entry = (
        f"  demo-asked: {{dataset: demo, summarizer: ollama, "
        f"summaries_from: data/prepared/demo/text.parquet, "
        f"vectors_from: data/text/demo-asked/summaries.jsonl, chat: {{model: '{MODEL}'}}, "
        f"embedder: ollama, embedding: {{model: '{EMBEDDER}'}}}}\n"
    )
    small.params.write_text(
        re.sub(r"^text:\n", f"text:\n{entry}", text, count=1, flags=re.MULTILINE), encoding="utf-8"
    )
    return load_params(small.params)


def asked(params: Params) -> list[Finding]:
    return list(hosts(params, quick=False))


def test_hosts_that_have_the_models_are_fine(small: Layout, tmp_path: Path) -> None:
    with OllamaServer(log=tmp_path / "log") as server:
        found = asked(asking(small, server.url))
    assert [finding.wrong for finding in found] == [False, False, False]
    assert VERSION in found[0].found
    assert {MODEL, EMBEDDER} == {finding.found.split()[1].rstrip(",") for finding in found[1:]}


def test_a_host_without_the_model_gets_the_command_that_brings_it(small: Layout, tmp_path: Path) -> None:
    with OllamaServer(log=tmp_path / "log", models={}) as server:
        found = asked(asking(small, server.url))
    assert [(finding.wrong, finding.fix) for finding in found[1:]] == [
        (True, f"ollama pull {EMBEDDER}"),
        (True, f"ollama pull {MODEL}"),
    ]


def test_a_host_that_is_down_or_something_else_is_a_problem_in_one_sentence(small: Layout) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = asked(asking(small, "http://127.0.0.1:9", f"http://127.0.0.1:{server.server_port}"))
        server.shutdown()
    assert [finding.wrong for finding in found] == [True, True]
    assert all(finding.found and "\n" not in finding.found for finding in found)
    assert all("ollama serve" in finding.fix for finding in found)
