"""The command ``repro``: finds the verb, and turns every failure into one line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from repro.checkout_lock import WAIT
from repro.commands import (
    ablation,
    bundle,
    claims,
    compare,
    data,
    demo,
    deviations,
    doctor,
    figures,
    grid,
    noise,
    protocol,
    report,
    sensitivity,
    sparsity,
    sweep,
    table,
    text,
    verify,
)
from repro.commands import run as run_command
from repro.failures import DONE, INTERRUPTED, USER_ERROR, explain
from repro.printing import one_line, printable
from repro.redaction import without_secrets
from repro.stages.entry import VERBOSITY, quiet_threads

_HELP = """From pinned data to paper-style tables: intent representation learning, reproduced.

Start with `repro demo`. Answers go to stdout, logs to stderr.
"""
_ORDER = (
    "demo",
    "data",
    "text",
    "grid",
    "run",
    "table",
    "ablation",
    "sparsity",
    "noise",
    "sensitivity",
    "compare",
    "protocol",
    "figures",
    "claims",
    "verify",
    "report",
    "bundle",
    "sweep",
    "deviations",
    "doctor",
)
WAIT_SWITCH = "--wait"
_SWITCHES = {"-q": "quiet", "--quiet": "quiet", "-v": "verbose", "--verbose": "verbose"}


def build_command() -> Any:
    """Return the command line; only typer and the signatures of the commands are imported for it."""
    command: Any = typer.main.get_command(_build_app())
    command.commands = {name: command.commands[name] for name in _ORDER}
    _keep_example_lines(command)
    return command


def _build_app() -> typer.Typer:
    app = typer.Typer(
        name="repro",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback(help=_HELP)(_switches)
    app.command("demo")(demo.demo)
    app.add_typer(data.app, name="data")
    app.add_typer(text.app, name="text")
    app.add_typer(grid.app, name="grid")
    app.command("run")(run_command.run)
    app.add_typer(table.app, name="table")
    app.command("ablation")(ablation.ablation)
    app.command("sparsity")(sparsity.sparsity)
    app.command("noise")(noise.noise)
    app.command("sensitivity")(sensitivity.sensitivity)
    app.command("compare")(compare.compare)
    app.command("protocol")(protocol.protocol)
    app.command("figures")(figures.figures)
    app.command("claims")(claims.claims)
    app.command("verify")(verify.verify)
    app.command("report")(report.report)
    app.add_typer(bundle.app, name="bundle")
    app.command("sweep")(sweep.sweep)
    app.command("deviations")(deviations.deviations)
    app.command("doctor")(doctor.doctor)
    return app


def _keep_example_lines(command: Any) -> None:
    """Mark the paragraphs of examples, so that help prints them line by line."""
    if command.help:
        command.help = command.help.replace("\n\nExample:", "\n\n\b\nExample:")
    for part in getattr(command, "commands", {}).values():
        _keep_example_lines(part)


def main() -> None:
    """Run the command line of this process and leave with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run ``repro`` with ``arguments`` and return the exit code.

    0 done, 1 the user's mistake, 130 interrupted, 2 our bug; a failure is one line on stderr.
    """
    words, verbosity = _without_switches(arguments)
    if WAIT_SWITCH in words[: words.index("--") if "--" in words else len(words)]:
        words.remove(WAIT_SWITCH)
        os.environ[WAIT] = "1"
    if verbosity:
        os.environ[VERBOSITY] = verbosity
    quiet_threads()
    try:
        code = build_command()(args=words, prog_name="repro", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our answer closed it (`repro … | head`); what it wanted, it has.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else USER_ERROR
    except BaseException as error:
        return _fail(error, verbose=verbosity == "verbose")
    if code == INTERRUPTED:
        return _fail(KeyboardInterrupt(), verbose=False)
    return code if isinstance(code, int) else DONE


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"irllrec-repro {version('irllrec-repro')}")
        raise typer.Exit


def _switches(
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing but answers and errors.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also print DVC's own words, and tracebacks.")
    ] = False,
    wait: Annotated[
        bool,
        typer.Option(WAIT_SWITCH, help="Wait for another command that writes here, instead of refusing."),
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and stop."),
    ] = False,
) -> None:
    """Declare the switches that hold for every command."""


def _without_switches(arguments: Sequence[str]) -> tuple[list[str], str | None]:
    """Return the arguments without -q and -v, which may stand anywhere, and what they ask for."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    asked = [_SWITCHES[word] for word in arguments[:end] if word in _SWITCHES]
    words = [word for word in arguments[:end] if word not in _SWITCHES]
    return [*words, *arguments[end:]], asked[-1] if asked else None


def _fail(error: BaseException, *, verbose: bool) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        print(str(error.format_message()))  # type: ignore[attr-defined]
        return DONE
    usage = _usage_sentence(error)
    if usage is not None:
        print(one_line(usage), file=sys.stderr)
        return USER_ERROR
    if verbose:
        import traceback

        told = without_secrets("".join(traceback.format_exception(error)))
        print(printable(told), file=sys.stderr, end="")
    failure = explain(error, _state_folder())
    print(failure.sentence, file=sys.stderr)
    return failure.code


def _usage_sentence(error: BaseException) -> str | None:
    """Return the sentence for a mistake in the command's own words, None for any other error.

    Recognised by its methods: typer carries its own copy of click, so there is no class to import.
    """
    describe: Any = getattr(error, "format_message", None)
    if not callable(describe) or not hasattr(error, "exit_code"):
        return None
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "repro"
    return f"{command}: {str(describe()).rstrip('.')}: see `{command} --help`."


def _state_folder() -> Path:
    from repro.errors import ReproError
    from repro.layout import Layout

    try:
        return Layout.find().state
    except ReproError:
        return Path.home() / ".cache" / "irllrec-repro"
