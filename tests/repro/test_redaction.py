"""Secrets reach neither the terminal nor a log file, on the real paths of commands that fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.failures import explain
from repro.redaction import without_secrets

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct-horse-7"
TOKEN = "hf_abcdefGHIJKL123456"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"http://me:{PASSWORD}@host:1/a/b", "http://***@host:1/a/b"),
        (f"see https://{PASSWORD}@host, and mail me@host", "see https://***@host, and mail me@host"),
        (f"https://h/f.zip?X-Amz-Signature={PASSWORD}&part=2", "https://h/f.zip?X-Amz-Signature=***&part=2"),
        (f"https://h/f?a=1&access_token={PASSWORD}#x", "https://h/f?a=1&access_token=***#x"),
        (f"'Authorization': 'Bearer {TOKEN}'", "'Authorization': 'Bearer ***'"),
        ("recall@20 of a@b, 1 token a word, monkey=1", "recall@20 of a@b, 1 token a word, monkey=1"),
        ("https://host/path@2x.png?page=2", "https://host/path@2x.png?page=2"),
    ],
)
def test_secrets_go_and_the_rest_stays(text: str, shown: str) -> None:
    assert without_secrets(text, {}) == shown


def test_values_of_the_environment_are_secret_by_the_name_of_their_variable() -> None:
    environment = {
        "OLLAMA_API_KEY": TOKEN,
        "HF_TOKEN": TOKEN + "longer",
        "HOME": "/home/me",
        "MY_TOKEN": "ab",
    }
    assert without_secrets(f"{TOKEN}longer, {TOKEN}, /home/me, ab", environment) == "***, ***, /home/me, ab"


@given(st.text(max_size=200))
def test_nothing_is_redacted_twice(text: str) -> None:
    once = without_secrets(text, {})
    assert without_secrets(once, {}) == once


def test_a_failed_fetch_says_where_without_the_password(tmp_path: Path) -> None:
    address = f"http://me:{PASSWORD}@127.0.0.1:9/mirror?token={PASSWORD}"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sources.yaml").write_bytes((ROOT / "data" / "sources.yaml").read_bytes())
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    (tmp_path / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from repro.cli import main; main()",
            "-v",
            "data",
            "fetch",
            "steam",
            "--from",
            address,
        ],
        cwd=tmp_path,
        env={**os.environ, "REPRO_ROOT": str(tmp_path), "PYTHONPATH": str(ROOT), "HF_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "http://***@127.0.0.1:9/mirror" in done.stderr.splitlines()[-1]
    assert PASSWORD not in done.stdout + done.stderr


def test_the_log_of_a_bug_has_the_traceback_without_the_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", TOKEN)

    def fail() -> None:
        raise RuntimeError(f"asked http://me:{PASSWORD}@host with {TOKEN}")

    try:
        fail()
    except RuntimeError as error:
        failure = explain(error, tmp_path)
    written = next((tmp_path / "logs").iterdir()).read_text(encoding="utf-8")
    assert "in fail" in written
    for text in (failure.sentence, written):
        assert "http://***@host with ***" in text
        assert PASSWORD not in text
        assert TOKEN not in text
