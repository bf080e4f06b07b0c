"""Nothing in the packages can execute what a file holds: looked up in the syntax tree of every module."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

MODULES = {
    "pickle": "unpickling executes", "_pickle": "unpickling executes", "cPickle": "unpickling executes",
    "dill": "unpickling executes", "cloudpickle": "unpickling executes", "shelve": "it unpickles",
    "marshal": "it loads code", "code": "it runs code", "runpy": "it runs code", "xml": "entities unfold",
}  # fmt: skip
CALLS = {"eval", "exec", "compile", "__import__"}
LOADS = {"torch.load", "joblib.load", "pandas.read_pickle", "pd.read_pickle", "os.system", "os.popen"}
YAML_READER = "repro/yaml_text.py"
YAML_ENTRIES = {f"yaml.{name}" for name in ("load", "load_all", "safe_load", "full_load", "unsafe_load")}
OWN_YAML = {"repro/running/pipeline.py": "reads the dvc.lock that DVC writes beside it"}
"""Modules that read YAML of this program's making; with the safe loader."""
SAFE_LOADERS = {"_loader()", "loader"}


def _modules() -> list[Path]:
    return sorted(path for package in ("irllrec", "repro") for path in (ROOT / package).rglob("*.py"))


def problems(tree: ast.AST, called: str) -> Iterator[str]:
    """Yield what a module does that could execute the content of a file."""
    for node in ast.walk(tree):
        place = f"{called}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] in MODULES:
                    yield f"{place} imports {alias.name}"
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in MODULES:
            yield f"{place} imports from {node.module}"
        elif isinstance(node, ast.Call):
            yield from _of_call(node, place, called)


def _of_call(node: ast.Call, place: str, called: str) -> Iterator[str]:
    name = ast.unparse(node.func)
    options = {word.arg: ast.unparse(word.value) for word in node.keywords}
    if name in CALLS or name in LOADS:
        yield f"{place} calls {name}"
    if options.get("allow_pickle", "False") != "False":
        yield f"{place} allows pickles"
    if options.get("shell", "False") != "False":
        yield f"{place} starts a shell"
    safe = name == "yaml.load" and options.get("Loader") in SAFE_LOADERS
    if name in YAML_ENTRIES and not (safe and called in (YAML_READER, *OWN_YAML)):
        yield f"{place} reads YAML beside {YAML_READER}"
    if name in ("YAML",) and options.get("typ", "'rt'") not in ("'rt'", "'safe'"):
        yield f"{place} lets YAML build any object"
    if name in ("np.load", "numpy.load") and "mmap_mode" not in options:
        yield f"{place} loads arrays beside irllrec/data/untrusted.py"


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_can_execute_what_a_file_holds(path: Path) -> None:
    called = path.relative_to(ROOT).as_posix()
    assert list(problems(ast.parse(path.read_text(encoding="utf-8")), called)) == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle", "from pickle import loads", "import marshal", "eval('1')", "exec(text)", "torch.load(path)",
        "np.load(path, allow_pickle=True)", "np.load(path)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.safe_load(text)",        "subprocess.run(words, shell=True)", "os.system(words)", "pd.read_pickle(path)",
        "YAML(typ='unsafe')",
    ],
)  # fmt: skip
def test_each_way_to_execute_is_recognised(code: str) -> None:
    assert list(problems(ast.parse(code), "x.py"))


def test_the_loader_of_yaml_builds_plain_values_only() -> None:
    """PyYAML's own promise, held to: a tag of Python is an error, not an object."""
    from repro.yaml_text import YamlError, parse_yaml

    for tag in (
        "object/apply:os.system [id]",
        "name:os.system",
        "module:os",
        "object/new:os.x []",
        "tuple [1]",
    ):
        with pytest.raises(YamlError, match="line 1"):
            parse_yaml(f"a: !!python/{tag}\n")
