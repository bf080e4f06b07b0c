# make demo   the whole pipeline on the embedded data set, then its main table and the path of a report
# make test   what every change must pass: format, lint, types, architecture, tests
# make bench  training steps, sampling and evaluation against a plain implementation, in turns; about an hour
# make bench-growth  time and memory of the pipeline's own work as the data grow; needs 16 GiB
# make setup  the environment in .venv; quick once it is made
# make audit  the known vulnerabilities of the pinned packages
# make lock   the lock files in requirements/, after a change of pyproject.toml or constraints.txt

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
STAMP := .venv/.installed
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: setup demo test lint format bench bench-growth audit lock

setup: $(STAMP)

# Every archive is installed by its hash, and none that is not in a lock file.
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
LOCKED := install --no-deps --no-build-isolation --require-hashes
LOCKS := $(addprefix requirements/,build.lock torch-cpu.lock torch.lock main.lock)

$(STAMP): pyproject.toml $(LOCKS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name it with: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) $(LOCKED) -r requirements/build.lock
	@$(PIP) $(LOCKED) -r requirements/torch-cpu.lock 2>/dev/null || \
		{ echo "No index has PyTorch for processors only: installing the one of PyPI."; \
		$(PIP) $(LOCKED) -r requirements/torch.lock; }
	$(PIP) $(LOCKED) -r requirements/main.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $(STAMP)

audit:
	@requirements/audit

lock:
	@requirements/lock

demo: setup
	@$(BIN)/repro demo

test: setup lint
	$(BIN)/python -m pytest --numprocesses=auto --dist=loadfile

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	$(BIN)/python -m benchmarks.run_all $(BENCH)

bench-growth: setup
	$(BIN)/python -m benchmarks.data_scale --name two-cores
	$(BIN)/python -m benchmarks.data_scale_page two-cores
