"""How a pipeline stage starts and ends: quiet threads before torch, one sentence after a failure."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from repro.checkout_lock import stage_at_work
from repro.failures import DONE, explain
from repro.layout import Layout
from repro.processes import end_with_dvc

FAILURE_FILE = "REPRO_FAILURE_FILE"
VERBOSITY = "REPRO_VERBOSITY"


def run(main: Callable[[list[str]], object]) -> NoReturn:
    """Run ``main`` on the command line's arguments and leave the process with its exit code.

    0 done, 1 the user's mistake in one sentence, 130 interrupted, 2 our bug (its traceback goes to
    a log file). A stage imports torch inside ``main``, so that the settings made here reach it.

    Args:
        main: Takes the arguments without the program's name; an integer it returns is the code.
    """
    quiet_threads()
    end_with_dvc()
    if os.environ.get(VERBOSITY) != "quiet":
        print(f"→ {_stage_name()}", file=sys.stderr, flush=True)
    try:
        with stage_at_work(Layout(_root())):
            result = main(sys.argv[1:])
    except SystemExit:
        raise
    except BaseException as error:
        sys.exit(_report(error))
    sys.exit(result if isinstance(result, int) else DONE)


def read_name(argv: list[str], stage: str, help: str) -> str:
    """Return the one argument of a stage: the entry of params.yaml that it works on.

    Args:
        argv: The arguments without the program's name.
        stage: The stage's name, for its usage line.
        help: What the argument names.

    Raises:
        SystemExit: After printing the usage, if there is not exactly one argument.
    """
    parser = argparse.ArgumentParser(prog=f"python -m repro.stages.{stage}")
    parser.add_argument("name", help=help)
    name: str = parser.parse_args(argv).name
    return name


def quiet_threads() -> None:
    """Let idle threads sleep instead of spin; call before torch is imported.

    Several seeds train side by side with one thread each; spinning OpenMP threads would take
    the processor from them.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("KMP_BLOCKTIME", "0")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def _stage_name() -> str:
    return " ".join([Path(sys.argv[0]).stem, *sys.argv[1:]])


def _root() -> Path:
    return Path(os.environ.get("REPRO_ROOT") or Path.cwd()).resolve()


def _report(error: BaseException) -> int:
    failure = explain(error, Layout(_root()).state)
    named = os.environ.get(FAILURE_FILE)
    if named:
        record = {"code": failure.code, "sentence": failure.sentence, "stage": _stage_name()}
        try:
            Path(named).write_text(json.dumps(record), encoding="utf-8")
        except OSError:
            named = None
    if not named:
        print(failure.sentence, file=sys.stderr, flush=True)
    return failure.code
