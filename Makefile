# Two commands on a fresh machine with Python 3.10+ and git:
#   make demo    a ticket on a real graph, with table and pictures
#   make test    every check that CI runs
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# No file of gslt's is read from the network; pip alone fetches packages, at install time.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint types tests audit clean

demo: $(VENV)/.demo
	$(BIN)/gslt demo

test: lint types tests

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

# A process per core, each with one thread; a file of tests stays in one process.
tests: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist loadfile

# Known vulnerabilities of the exact versions that CI uses; the one target that asks the network.
audit: $(BIN)/python
	$(BIN)/python -m venv $(VENV)/audit
	$(VENV)/audit/bin/pip install --quiet --disable-pip-version-check pip-audit
	$(VENV)/audit/bin/pip-audit --strict --no-deps --disable-pip -r constraints.txt

# torch goes first: its version is pinned, so that no other package pulls another build.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing gslt into $(VENV) …"
	$(PIP) torch
	$(PIP) -e .
	@touch $@

$(VENV)/.test: $(VENV)/.demo
	@echo "installing the test tools, DGL and ogb into $(VENV) …"
	$(PIP) -e ".[test]"
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
