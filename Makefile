# Everything that is done with a checkout. Needs git, make and Python 3.11 or later.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export DAGSTER_HOME ?= $(CURDIR)/.dagster
export MARKETSYNC_CONFIG ?= $(CURDIR)/examples/marketsync.yaml

.PHONY: demo dev test conformance conformance-docs chaos protections bench lint format lock clean help

help:
	@echo "make demo   run the main job over the example, against the sandbox, and prove the result"
	@echo "make dev    the Dagster UI on the same data (webserver, daemon, sandbox)"
	@echo "make test   the tests"
	@echo "make conformance  what every platform's adapter must do, as a table platform x behaviour"
	@echo "make conformance-docs  writes that table into docs/conformance.md"
	@echo "make chaos  the long kill and fault runs"
	@echo "make protections  takes away each protection: do the tests notice?"
	@echo "make bench  the figures of the README"
	@echo "make lint   linters, type checker, direction of dependencies"
	@echo "make lock   pin the dependencies anew"

$(VENV)/ready: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "MarketSync needs Python 3.11 or later: make PYTHON=python3.11 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the pinned dependencies (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Dagster reads its settings from DAGSTER_HOME only: the commands link dagster.yaml there, or
# deploy/dagster.yaml while MARKETSYNC_DATABASE_URL names a PostgreSQL database.
demo: $(VENV)/ready
	@$(BIN)/marketsync demo

dev: $(VENV)/ready
	@$(BIN)/marketsync dev

test: $(VENV)/ready
	@$(BIN)/python -m pytest -q -n 3 --dist loadgroup

conformance: $(VENV)/ready
	@$(BIN)/python -m marketsync_dagster_tests.conformance

conformance-docs: $(VENV)/ready
	@$(BIN)/python -m marketsync_dagster_tests.conformance --write

chaos: $(VENV)/ready
	@$(BIN)/python -m marketsync_dagster_tests.chaos

protections: $(VENV)/ready
	@$(BIN)/python -m marketsync_dagster_tests.protections

bench: $(VENV)/ready
	@$(BIN)/python -m benchmarks

lint: $(VENV)/ready
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports

format: $(VENV)/ready
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# uv writes no addresses into the lock files: where packages come from is the machine's own business.
UV := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock"
lock: $(VENV)/ready
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(UV) pyproject.toml -o requirements.lock
	@$(UV) pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock

clean:
	@rm -rf .dagster .marketsync
