# `make run` and `make test` do all the set-up that they need.
PYTHON ?= python3
VENV := .venv
# What the service is compared with has libraries of its own.
PEERS := .venv-peers
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check
# Exact versions, for all supported Pythons, from the ranges in requirements*.txt. What is installed for the service is
# what the tests had, so the second lock follows the first.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --custom-compile-command 'make lock'
# Much of a test is waiting for processes, so three files side by side keep two cores busy.
PYTEST := $(BIN)/python -m pytest --numprocesses 3 --dist loadfile --max-worker-restart 0
# Of `make chaos`, `make siege` and `make soak`.
SECONDS ?= 60
SEED ?=
# 1: `make chaos` with a Redis that fails over.
SENTINEL ?=
# 1: `make chaos` with each process on a host of its own, and faults of the network; needs root.
NETWORK ?=
REQUESTS ?= 20000
# Of `make folder`.
FILES ?= 100000
# Of `make accuracy`; OPTIONS also of `make compare`.
PICTURES ?=
OPTIONS ?=

.DEFAULT_GOAL := help
.PHONY: help install run demo test quick network lint lock logs hooks audit bench compare chaos siege soak folder accuracy clean

help:  ## list these commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## */\t/' | expand -t 12

install: $(VENV)/installed  ## make the virtual environment .venv

run: $(VENV)/installed  ## start everything, classify a first picture, serve until Ctrl-C
	@$(BIN)/python -m tools.run_all

demo: $(VENV)/installed  ## start everything on free ports, show what it does in a minute, stop
	@$(BIN)/python -m tools.run_all --demo

test: $(VENV)/installed-dev  ## run all tests but those that only `make network` runs
	$(PYTEST) --ignore tests/network/test_failover.py

network: $(VENV)/installed-dev  ## cut hosts off from one another, with a Redis that fails over (root; 2 minutes)
	$(BIN)/python -m pytest tests/network --log-cli-level INFO

quick: $(VENV)/installed-dev  ## run the tests without browser, benchmarks and whole services (3 minutes)
	$(PYTEST) --ignore tests/end_to_end --ignore tests/browser --ignore tests/benchmarks \
		--ignore tests/deploy --ignore tests/network

lint: $(VENV)/installed-dev  ## check style, types, the direction of imports and the compose file
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/compose.yaml

lock: $(VENV)/installed-dev  ## choose the versions to install anew, from the ranges in requirements*.txt
	$(COMPILE) --upgrade --output-file requirements-dev.lock requirements-dev.txt
	$(COMPILE) --upgrade --output-file requirements.lock --constraint requirements-dev.lock requirements.txt

hooks: $(VENV)/installed-dev  ## have git check style and types before each commit
	$(BIN)/pre-commit install

logs: $(VENV)/installed  ## show one request of make run as a timeline: make logs ID=...
	@$(BIN)/python -m tools.request_timeline "$(ID)"

audit: $(VENV)/installed-dev  ## look for weaknesses in our code and known ones in the libraries
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml .
	$(BIN)/pip-audit --local --progress-spinner off

bench: $(VENV)/installed-dev  ## measure throughput and latency against their targets (8 minutes)
	@$(BIN)/python -m benchmarks.bench

compare: $(VENV)/installed-dev $(PEERS)/installed  ## measure beside mosec, LitServe, BentoML and Ray Serve (25 minutes)
	@$(BIN)/python -m benchmarks.compare $(OPTIONS)

chaos: $(VENV)/installed-dev  ## break the service under load; try: make chaos SECONDS=600 SEED=7
	@$(BIN)/python -m benchmarks.chaos --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) \
		$(if $(SENTINEL),--sentinel) $(if $(NETWORK),--network)

siege: $(VENV)/installed-dev  ## send costly pictures and hold slow connections beside ordinary clients, and see who suffers
	@$(BIN)/python -m benchmarks.siege --seconds $(SECONDS)

soak: $(VENV)/installed-dev  ## send many requests and see whether memory grows: make soak REQUESTS=20000
	@$(BIN)/python -m benchmarks.soak --requests $(REQUESTS)

folder: $(VENV)/installed-dev  ## classify a folder, break the service meanwhile, check the table: make folder FILES=100000
	@$(BIN)/python -m benchmarks.folder --files $(FILES)

accuracy: $(VENV)/installed  ## measure how often the service is right: make accuracy PICTURES=folder
	@$(BIN)/python -m tools.accuracy $(OPTIONS) -- "$(PICTURES)"

clean:  ## remove the virtual environment and all caches
	rm -rf $(VENV) $(PEERS) .cache .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

# What the set-up prints goes to standard error: the output of `make run` is the service's alone.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.13" >&2; exit 1; }
	@echo "Making the virtual environment $(VENV)" >&2
	@$(PYTHON) -m venv $(VENV) >&2

$(VENV)/installed: requirements.lock | $(VENV)/bin/python
	@echo "Installing requirements.lock (about 450 MB; some minutes the first time)" >&2
	@$(PIP) -r requirements.lock >&2
	@touch $@

$(VENV)/installed-dev: requirements-dev.lock $(VENV)/installed | $(VENV)/bin/python
	@echo "Installing requirements-dev.lock" >&2
	@$(PIP) -r requirements-dev.lock >&2
	@touch $@

$(PEERS)/installed: benchmarks/peers/requirements.txt | $(VENV)/installed-dev
	@echo "Installing benchmarks/peers/requirements.txt into $(PEERS)" >&2
	@$(PYTHON) -m venv $(PEERS) >&2
	@$(PEERS)/bin/python -m pip install --disable-pip-version-check -r $< >&2
	@touch $@
