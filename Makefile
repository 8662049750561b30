# What one does with the template. A generated repository has a Makefile of its own.

PYTHON ?= python3
# Outside of the checkout: cookiecutter copies all that lies in a template.
VENV ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/cookiecutter-model-serving/venv
JOBS ?= 2

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SOURCES := hooks scripts tests
# One test at a time for each process, in their order: the longest come first, so the end is short.
PYTEST := $(BIN)/python -m pytest --numprocesses $(JOBS) --dist load --maxschedchunk 1
export PYTHONDONTWRITEBYTECODE := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-all test-fast environments lint format trees sizes lock reliability overload bench

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s  %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(INSTALLED) ## bake the default project, train its model, serve it, ask it
	$(BIN)/python scripts/demo.py

test: $(INSTALLED) ## run all tests, or TESTS; what needs Docker or npm says so where there is none
	$(PYTEST) $(TESTS)

test-all: export ALL_COMBINATIONS = 1
test-all: test ## run them for every combination, not for as few as have every pair of answers

test-fast: $(INSTALLED) ## run the tests that need no machine-learning framework: minutes
	$(PYTEST) tests/render

environments: $(INSTALLED) ## install what the backends' repositories need, for the tests; kept
	$(BIN)/python tests/tools/environments.py

lint: $(INSTALLED) ## format, lint and types of the template's own Python
	$(BIN)/python -m ruff format --check --no-cache $(SOURCES)
	$(BIN)/python -m ruff check --no-cache $(SOURCES)
	$(BIN)/python -m mypy

format: $(INSTALLED) ## format it, and fix what the linter can
	$(BIN)/python -m ruff format --no-cache $(SOURCES)
	$(BIN)/python -m ruff check --no-cache --fix $(SOURCES)

trees: $(INSTALLED) ## write the golden list of files
	WRITE_TREES=1 $(BIN)/python -m pytest --quiet tests/render/test_render.py -k golden

sizes: $(INSTALLED) ## count modules, lines, layers and branches; fails where something has grown
	$(BIN)/python scripts/sizes.py

lock: $(INSTALLED) ## write the locks of all backends; the newest versions with UPGRADE=--upgrade
	$(BIN)/python scripts/lock.py $(UPGRADE)

reliability: $(INSTALLED) ## run the tests of docs/reliability.md, or those with WORDS; prints how they ended
	$(BIN)/python scripts/reliability.py $(WORDS)

overload: $(INSTALLED) ## ask a starter, or that with ANSWERS, for three times what it answers
	$(BIN)/python scripts/overload.py $(ANSWERS)

bench: $(INSTALLED) ## measure repositories, or those with ANSWERS: start-up, requests or tokens per second
	$(BIN)/python scripts/bench.py $(ANSWERS)

# An environment that has lost its Python, or has another by now, is made again.
ifneq ($(if $(wildcard $(INSTALLED)),$(shell { $(BIN)/python -c 'import pip'; } 2>/dev/null || echo yes)),)
.PHONY: $(INSTALLED)
endif

$(INSTALLED): requirements-dev.txt
	@$(PYTHON) -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo 'error: PYTHON is "$(PYTHON)", which is no Python 3.11 or newer with its venv module.' \
		'Install one (Debian and Ubuntu: python3-venv as well), or name one: make $(MAKECMDGOALS) PYTHON=python3.12' >&2; exit 1; }
	@$(BIN)/python -c 'import pip' 2>/dev/null || $(PYTHON) -m venv --clear "$(VENV)"
	@$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt \
		|| { echo 'error: the tools of requirements-dev.txt could not be installed; pip says why above.' \
		'Where pip finds packages: $(BIN)/python -m pip config list' >&2; exit 1; }
	@touch $@
