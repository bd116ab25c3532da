# Two commands for users: `make discover` and `make test`. Both set up .venv on first use and are quick afterwards.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
CONSTRAINTS := --constraint constraints.txt
# One thread per process: small crystals are about twice as fast that way, and parallelism comes from processes.
export OMP_NUM_THREADS ?= 1

.PHONY: help discover test lint generated docs clean
help:
	@echo "make discover   set up, run flows/discovery.yaml on the local database, print the ranked table and the report's path"
	@echo "make test       set up everything and run the tests"
	@echo "make lint       ruff, mypy and the exported schemas"
	@echo "make docs       build the documentation into site/"
	@echo "make generated  write the JSON schemas and the page of commands again"

discover: $(VENV)/.run-installed
	$(BIN)/invdesflow discover flows/discovery.yaml

test: $(VENV)/.all-installed
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
	$(BIN)/python -m typer invdesflow.cli.main utils docs --name invdesflow --title Commands --output docs/reference/commands.md

docs: $(VENV)/.all-installed
	$(BIN)/mkdocs build --strict

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
	$(PIP) install $(CONSTRAINTS) --editable ".[local-db,sevennet,parquet,static,train,evaluation,docs,dev]"
	DP_ENABLE_TENSORFLOW=0 DP_ENABLE_PYTORCH=0 DP_VARIANT=cpu $(PIP) install $(CONSTRAINTS) --no-binary deepmd-kit deepmd-kit dpdata
	@touch $@
