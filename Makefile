# What people and CI run. `make setup` is implied by every other target.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# How a command is run as root without asking for a password.
AS_ROOT := $(if $(filter 0,$(shell id -u)),,sudo -n)
# Cases under way at a time: two keep both cores of a small machine busy.
MATRIX_JOBS ?= 2
# More options for `make run`, for instance: make run ARGS="--source postgres --rows 1000"
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup run test fuzz dev lint format docs bench screenshots constraints clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP)  ## make .venv with everything in it, the `matrix` command included

$(STAMP): pyproject.toml constraints.txt
	@if command -v uv >/dev/null; then \
		uv venv --quiet --allow-existing --python "$(PYTHON)" $(VENV) && \
		uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[dev]'; \
	else \
		"$(PYTHON)" -m venv $(VENV) && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'; \
	fi
	@$(BIN)/python -c "import pyodbc" 2>/dev/null || { command -v apt-get >/dev/null && { $(AS_ROOT) apt-get update -qq; $(AS_ROOT) apt-get install -qq -y unixodbc; }; } || \
		echo "SQL Server needs unixODBC, which pip cannot install: apt-get install unixodbc, dnf install unixODBC or brew install unixodbc. All else works without it."
	@$(BIN)/python -m resources.endpoints.mssql_emulator.compile_ahead
	@touch $(STAMP)

run: export MATRIX_JOBS := $(MATRIX_JOBS)
run: $(STAMP)  ## certify every case that can run on local services; ends with the path of the report
	$(BIN)/matrix run $(ARGS)

test: $(STAMP)  ## the tests, with real embedded services
	$(BIN)/python -m pytest $(ARGS)

fuzz: $(STAMP)  ## throw 100,000 malformed conversations at the local SQL Server endpoint
	$(BIN)/python -m tests.tds_fuzz $(or $(ARGS),100000)

# The variable is exported by make, not set in a shell's line: make hands a signal on to its child, a shell would keep it.
dev: export DAGSTER_HOME := $(CURDIR)/.dagster
dev: $(STAMP)  ## the Dagster UI, on the same instance as `matrix run`
	$(BIN)/python -c "from assets.instance import open_instance; open_instance().dispose()"
	$(BIN)/dagster dev -w workspace.yaml

lint: $(STAMP)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)  ## let ruff format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP)  ## write the generated documents anew
	$(BIN)/matrix docs

bench: $(STAMP)  ## measure the hops beside their raw limits and write docs/benchmarks.md
	$(BIN)/python -m tests.bench $(ARGS)

screenshots: $(STAMP)  ## photograph the report of the last run for docs/images
	$(BIN)/python -m tests.screenshots

constraints: $(STAMP)  ## write the installed versions to constraints.txt
	{ sed -n '/^#/p' constraints.txt; $(BIN)/python -m pip freeze --exclude-editable | grep -v ' @ '; } > constraints.new
	mv constraints.new constraints.txt

clean:  ## remove what runs leave behind, but not .venv
	rm -rf artifacts .dagster .pytest_cache .mypy_cache .ruff_cache
