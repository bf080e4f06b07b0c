"""What tells of a machine is taken out, and nothing else."""

from pathlib import Path

import pytest

from repro.bundle.privacy import HOST_WORD, PATH_WORD, Machine

ROOT = Path(__file__).resolve().parents[3]
MACHINE = Machine(("/data/jane/checkout", "/home/jane"), ("gpu-7.example.org", "10.1.2.3"), ("jane-laptop",))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"/data/jane/checkout/runs/demo"', '"runs/demo"'),
        ("in /data/jane/checkout", f"in {PATH_WORD}"),
        ("- path: /mnt/disk/shop/texts.jsonl", f"- path: {PATH_WORD}/texts.jsonl"),
        (
            "{summaries_from: /srv/x/a.jsonl, embedder: lsa}",
            f"{{summaries_from: {PATH_WORD}/a.jsonl, embedder: lsa}}",
        ),
        ("model: /home/jane/models/bert", f"model: {PATH_WORD}/models/bert"),
        ("file:///home/jane/x/report.html", f"{PATH_WORD}/report.html"),
        ("http://localhost:11434/api", f"http://{HOST_WORD}/api"),
        ("http://192.168.0.7:11434", f"http://{HOST_WORD}"),
        ("http://jane:secret@gpu-7.example.org:80/x", f"http://{HOST_WORD}/x"),
        ("hosts: [http://box.lan:1, gpu-7.example.org]", f"hosts: [http://{HOST_WORD}, {HOST_WORD}]"),
    ],
)
def test_paths_and_private_hosts_become_plain_words(before: str, after: str) -> None:
    assert MACHINE.cleaned(before) == after
    assert MACHINE.cleaned(after) == after


@pytest.mark.parametrize(
    "text",
    [
        "https://arxiv.org/abs/2502.03307 and https://github.com/wangyu0627/IRLLRec",
        "data/prepared/demo/test.npz, runs/demo/lightgcn/irllrec",
        "he/she/they, 1/2, and/or, recall@20, </table></div>",
        "lr: 1.0e-6, sizes 10.5 / 3 / 2, /one",
    ],
)
def test_what_tells_nothing_stays(text: str) -> None:
    assert MACHINE.cleaned(text) == text


@pytest.mark.parametrize("name", ["params.yaml", "dvc.yaml", "docs/deviations.md", "claims.yaml"])
def test_the_projects_own_files_stay_as_they_are(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert MACHINE.cleaned(text) == text


def test_what_is_left_is_found_in_any_file() -> None:
    assert MACHINE.left_in(b"PAR1\0made by jane-laptop\0") == "jane-laptop"
    assert MACHINE.left_in(b"\0/home/jane/x\0") == "/home/jane"
    assert MACHINE.left_in(b"/home/janet, jane-laptops, 10.1.2.34") is None


def test_a_name_that_is_a_word_of_the_project_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "lightgcn")
    monkeypatch.setattr("socket.gethostname", lambda: "node-0815")
    assert Machine.of(ROOT, ()).names == ("node-0815", "lightgcn")
    assert Machine.of(ROOT, (), "backbones:\n  lightgcn: {}\n").names == ("node-0815",)


def test_the_hosts_of_params_and_environment_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "gpu-3:11434")
    assert Machine.of(ROOT, ("http://gpu-4.example.org:99",)).hosts == ("gpu-4.example.org", "gpu-3")
