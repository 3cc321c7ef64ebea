# `make run` and `make test` do all the set-up that they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Of `make chaos` and `make soak`.
SECONDS ?= 60
SEED ?=
REQUESTS ?= 20000

.DEFAULT_GOAL := help
.PHONY: help install run demo test lint logs hooks audit bench chaos soak clean

help:  ## list these commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## */\t/' | expand -t 12

install: $(VENV)/installed  ## make the virtual environment .venv

run: $(VENV)/installed  ## start everything, classify a first picture, serve until Ctrl-C
	@$(BIN)/python run_all.py

demo: $(VENV)/installed  ## start everything on free ports, show what it does in a minute, stop
	@$(BIN)/python run_all.py --demo

test: $(VENV)/installed-dev  ## run all tests
	$(BIN)/python -m pytest

lint: $(VENV)/installed-dev  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

hooks: $(VENV)/installed-dev  ## have git check style and types before each commit
	$(BIN)/pre-commit install

logs: $(VENV)/installed  ## show one request of make run as a timeline: make logs ID=...
	@$(BIN)/python request_log.py "$(ID)"

audit: $(VENV)/installed-dev  ## look for weaknesses in our code and known ones in the libraries
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml .
	$(BIN)/pip-audit --local --progress-spinner off

bench: $(VENV)/installed-dev  ## measure throughput and latency against their targets (8 minutes)
	@$(BIN)/python -m benchmarks.bench

chaos: $(VENV)/installed-dev  ## break the service under load; try: make chaos SECONDS=600 SEED=7
	@$(BIN)/python -m benchmarks.chaos --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

soak: $(VENV)/installed-dev  ## send many requests and see whether memory grows: make soak REQUESTS=20000
	@$(BIN)/python -m benchmarks.soak --requests $(REQUESTS)

clean:  ## remove the virtual environment and all caches
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=python3.11"; exit 1; }
	@echo "Making the virtual environment $(VENV)"
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: requirements.txt | $(VENV)/bin/python
	@echo "Installing requirements.txt (about 450 MB; some minutes the first time)"
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt requirements-int8.txt requirements-tracing.txt \
		$(VENV)/installed | $(VENV)/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements-dev.txt
	@touch $@
