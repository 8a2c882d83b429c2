# Needs Debian 12's python3, python3-venv and make; everything else goes into .venv.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
DEMO := runs/demo
# Renders and checkpoints of the long training, 8 GB: outside of the checkout, so that a fresh one goes on with them.
LONG_RUN ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/handbridge/long
# Each process of the tests takes up to 2 GB.
TEST_PROCESSES ?= 4

# pyright otherwise asks the package index for a newer release at each run.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Material for MkDocs otherwise prints a notice about the end of its own development at each build.
export NO_MKDOCS_2_WARNING := 1

.DEFAULT_GOAL := help
.PHONY: setup demo test lint docs bench long-training clean help

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

setup: $(READY) ## build .venv with the exact versions of constraints.txt; skipped when it is current

# READY is removed first and made last: an interrupted set-up is not current and starts afresh.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name one: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' \
		|| { echo "venv is missing: apt-get install python3-venv" >&2; exit 1; }
	@if [ -e $(READY) ]; then rm $(READY); else $(PYTHON) -m venv --clear $(VENV); fi
	$(BIN)/python -m pip install --quiet --use-pep517 --constraint constraints.txt --editable '.[dev]'
	@touch $(READY)

demo: setup ## the whole pipeline at laptop size, ending with the path of its report
	$(BIN)/handbridge pipeline preset=demo out=$(DEMO)
	@echo "report: $(CURDIR)/$(DEMO)/report.html"

test: lint ## linters, then all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses $(TEST_PROCESSES) --dist loadfile

lint: setup ## ruff (lint and format) and pyright
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

# Not --quiet: it hides warnings from strict mode too, and the build would pass.
docs: setup ## the documentation as a site, without network; a warning is an error
	$(BIN)/mkdocs build
	@echo "site: $(CURDIR)/build/site/index.html"

bench: setup ## speed of the renderer and of generation on this machine
	@set -e; for file in benchmarks/*.py; do $(BIN)/python $$file; done

long-training: setup ## start the long training in the background, or say how far it is; returns at once
	@$(BIN)/python -m benchmarks.long.train --out $(LONG_RUN)

clean: ## remove .venv, caches and built packages; runs stay
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
