# Two commands on a fresh machine with Python 3.11, git and make (requirements/ is for 3.10 to 3.13):
#   make demo    a ticket on a real graph, with table and pictures
#   make test    every check that CI runs
#   make docs    the documentation, in site/
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PINS := requirements
# No file of gslt's is read from the network; pip alone fetches packages, at install time, and of these
# only wheels whose version and SHA-256 stand in requirements/.
PIP := -m pip install --quiet --disable-pip-version-check --no-deps
WHEELS := $(PIP) --require-hashes --only-binary :all: -r
# torch's build for the CPU where pip finds the pinned one; else the package index's own, which is made
# for CUDA on Linux. TORCH=torch or TORCH=torch-cpu decides by hand.
CPU_BUILD := $(shell sed -n 's/^torch==\([^ ]*\).*/\1/p' $(PINS)/torch-cpu.txt)
TORCH ?= $(shell $(BIN)/python -m pip index versions torch 2>&1 | \
	grep -qF " $(or $(CPU_BUILD),none)" && echo torch-cpu || echo torch)

.PHONY: demo docs test lint types tests audit pins lowest newest first-hour which-torch clean

demo: $(VENV)/.demo
	$(BIN)/gslt demo

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

test: lint types tests

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

# A process per core, each with one thread; a file of tests stays in one process.
tests: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist loadfile

# Known vulnerabilities of the exact versions that are installed; the one check that asks the network.
# The tools of the last two files have versions of their own.
AUDIT := $(VENV)/audit/bin/pip-audit --strict --disable-pip --require-hashes
audit: $(VENV)/audit/.done
	@status=0; \
	$(AUDIT) $(patsubst %,-r $(PINS)/%.txt,build torch run docs test) || status=1; \
	$(AUDIT) $(patsubst %,-r $(PINS)/%.txt,audit pins) || status=1; \
	exit $$status

# After a change of what pyproject.toml asks for; UPGRADE=--upgrade takes the newest versions.
pins: $(VENV)/pins/.done
	$(VENV)/pins/bin/python $(PINS)/pins.py $(UPGRADE)

# The fast tests with the lowest or the newest versions that pyproject.toml allows, not with the pinned ones.
lowest newest: $(VENV)/pins/.done
	$(VENV)/pins/bin/python $(PINS)/bounds.py $@

which-torch: $(BIN)/python
	@echo $(TORCH)

# Everything that a new user does, each with its time; STEPS=… chooses some of it.
first-hour:
	bash tests/first_hour.sh $(STEPS)

$(VENV)/audit/.done $(VENV)/pins/.done: $(VENV)/%/.done: $(PINS)/%.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python $(WHEELS) $<
	@touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(BIN)/python pyproject.toml $(PINS)/build.txt $(PINS)/torch.txt $(PINS)/torch-cpu.txt $(PINS)/run.txt
	@echo "installing gslt into $(VENV) …"
	$(BIN)/python $(WHEELS) $(PINS)/build.txt
	$(BIN)/python $(WHEELS) $(PINS)/$(TORCH).txt
	$(BIN)/python $(WHEELS) $(PINS)/run.txt
# Built by the setuptools that is pinned, whose banner on editable installs says nothing of gslt.
	PYTHONWARNINGS=ignore $(BIN)/python $(PIP) --no-build-isolation -e .
	@touch $@

$(VENV)/.docs: $(VENV)/.demo $(PINS)/docs.txt
	@echo "installing what the documentation is built by into $(VENV) …"
	$(BIN)/python $(WHEELS) $(PINS)/docs.txt
	@touch $@

$(VENV)/.test: $(VENV)/.docs $(PINS)/test.txt
	@echo "installing the test tools, DGL and ogb into $(VENV) …"
	$(BIN)/python $(WHEELS) $(PINS)/test.txt
	$(BIN)/python -m pip check
	@touch $@

clean:
	rm -rf $(VENV) site .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
