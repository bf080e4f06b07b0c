"""The job scripts of docs/scale.md: a shell can parse them, and they call options that there are."""

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from repro.cli import build_command

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "scale.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert found, language
    return found


def test_every_job_script_can_be_parsed_by_bash() -> None:
    for script in (*blocks("bash"), *blocks("sh")):
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_cluster_of_kubernetes_is_yaml_with_a_head_workers_and_the_version_of_ray_that_is_pinned() -> (
    None
):
    (text,) = blocks("yaml")
    job: dict[str, Any] = yaml.safe_load(text)
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["headGroupSpec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    (workers,) = cluster["workerGroupSpecs"]
    assert workers["minReplicas"] <= workers["replicas"] <= workers["maxReplicas"]
    pinned = (Path(__file__).resolve().parents[3] / "constraints.txt").read_text()
    assert f"ray=={cluster['rayVersion']}\n" in pinned


def test_every_option_that_the_page_gives_to_repro_run_exists() -> None:
    known = {name for option in build_command().commands["run"].params for name in option.opts}
    calls = re.findall(r"repro run((?: [^`\n#&]+)?)", PAGE)
    used = {word for call in calls for word in re.findall(r"--[a-z-]+", call)}
    assert {"--jobs", "--engine", "--address"} <= used <= known
