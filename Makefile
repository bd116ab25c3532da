# Two commands for users: `make discover` and `make test`. Both set up .venv on first use and are quick afterwards.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
CONSTRAINTS := --constraint constraints.txt
# One thread per process: small crystals are about twice as fast that way, and parallelism comes from processes.
export OMP_NUM_THREADS ?= 1
PYTEST_ARGUMENTS ?= -n 2

.PHONY: help discover test lint generated docs clean espresso slurm
help:
	@echo "make discover   set up, run flows/discovery.yaml on the local database, print the ranked table and the report's path"
	@echo "make test       set up everything and run the tests"
	@echo "make lint       ruff, mypy and the exported schemas"
	@echo "make docs       build the documentation into site/"
	@echo "make generated  write the JSON schemas and the page of commands again"

discover: $(VENV)/.run-installed
	$(BIN)/invdesflow discover flows/discovery.yaml

test: $(VENV)/.all-installed espresso slurm
	$(BIN)/python -m pytest $(PYTEST_ARGUMENTS)

lint: $(VENV)/.all-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/invdesflow db schemas --check
	$(BIN)/invdesflow recipe schemas --check

generated: $(VENV)/.all-installed
	$(BIN)/invdesflow db schemas
	$(BIN)/invdesflow recipe schemas
	$(BIN)/python -m invdesflow.epw.failure_page docs/explanation/espresso-errors.md
	$(BIN)/python -m typer invdesflow.cli.main utils docs --name invdesflow --title Commands --output docs/reference/commands.md

docs: $(VENV)/.all-installed
	$(BIN)/mkdocs build --strict

# Programs for the slow tests: installed where we may, and where we may not, those tests say that they are skipped.
ESPRESSO := quantum-espresso quantum-espresso-data wannier90 libopenblas0-serial
espresso:
	@if command -v pw.x >/dev/null && command -v epw.x >/dev/null && command -v wannier90.x >/dev/null && [ -d /usr/share/espresso/pseudo ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Quantum ESPRESSO ..."; \
	  { apt-get install -qq --yes --no-install-recommends $(ESPRESSO) || \
	    { apt-get update -qq && apt-get install -qq --yes --no-install-recommends $(ESPRESSO); }; } >/dev/null || \
	  echo "Quantum ESPRESSO cannot be installed; tests that need it are skipped."; \
	else echo "Tests that need Quantum ESPRESSO are skipped: sudo apt-get install $(ESPRESSO)"; fi

SLURM := slurm-wlm munge
slurm:
	@if PATH="$$PATH:/usr/sbin" && command -v slurmctld >/dev/null && command -v slurmd >/dev/null && command -v munged >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Slurm ..."; \
	  { apt-get install -qq --yes --no-install-recommends $(SLURM) || \
	    { apt-get update -qq && apt-get install -qq --yes --no-install-recommends $(SLURM); }; } >/dev/null || \
	  echo "Slurm cannot be installed; tests that need it are skipped."; \
	else echo "Tests that need Slurm are skipped: they start one of their own, as root."; fi

clean:
	rm -rf $(VENV) site build dist

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# What a campaign needs.
$(VENV)/.run-installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing InvDesFlow into $(VENV) (a few minutes on first use) ..."
	$(PIP) install $(CONSTRAINTS) torch
	$(PIP) install $(CONSTRAINTS) --editable ".[local-db]"
	@touch $@

# What the tests need: every extra. The wheel of deepmd-kit holds operators built for another torch; its source does not.
$(VENV)/.all-installed: $(VENV)/.run-installed
	@echo "Installing the test and documentation tools ..."
	$(PIP) install $(CONSTRAINTS) --editable ".[local-db,sevennet,parquet,static,train,voids,evaluation,docs,dev]"
	DP_ENABLE_TENSORFLOW=0 DP_ENABLE_PYTORCH=0 DP_VARIANT=cpu $(PIP) install $(CONSTRAINTS) --no-binary deepmd-kit deepmd-kit dpdata
	@touch $@
