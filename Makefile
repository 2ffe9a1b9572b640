# Every check and every way to start, one target each. `make` alone lists them.

PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# The first Python of 3.11 or later that really runs; PYTHON=... chooses another.
PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11 python,$(if $(shell $(p) -c 'import sys; print(sys.version_info >= (3, 11) or "")' 2>/dev/null | grep True),$(p))))

.DEFAULT_GOAL := help
.PHONY: help setup run test security nightly bench bench-http env-example check lint types architecture format docs openapi sbom lock clean

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

setup: $(INSTALLED) ## make the environment in .venv, with the command at .venv/bin/segmentation

$(INSTALLED): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "A Python of 3.11 or later is needed (set PYTHON=/path/to/python3)."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "This Python cannot make environments; on Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

run: setup ## serve the demo; PORT=8080 chooses the port
	@exec $(BIN)/segmentation serve --demo --port $(PORT)

test: setup ## run every test, with the core's coverage
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist worksteal --cov --cov-report=term

security: setup ## which test shows which line of docs/security-requirements.md; fails where none does
	$(BIN)/python -m tests.requirements

nightly: setup ## run every test with far more cases: 100,000 of the planner's laws, 10,000 of the others; and mutation tests
	HYPOTHESIS_PROFILE=nightly $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist worksteal
	$(BIN)/python -m tests.mutations

bench: setup ## the planner's speed and what it proves, and the engine's against others, on the national panel
	$(BIN)/python -m benchmarks.planning
	$(BIN)/python -m benchmarks.population

env-example: setup ## write .env.example, every setting with what it says
	$(BIN)/segmentation config example > .env.example

bench-http: setup ## the service's speed beside what its framework and database allow
	$(BIN)/python -m benchmarks.http

check: lint types architecture ## lint, types and architecture

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

architecture: setup
	$(BIN)/lint-imports
	$(BIN)/deptry .

format: setup ## rewrite the code in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup openapi ## write the pages that are made from the code, and build all pages into site/
	$(BIN)/python docs/access.py
	$(BIN)/mkdocs build --strict --quiet

openapi: setup ## write docs/openapi.json, the description of the HTTP API
	$(BIN)/python docs/openapi.py

sbom: setup ## the bill of materials, from what is locked (CycloneDX)
	mkdir -p dist
	$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible --output-format JSON --output-file dist/sbom.json

lock: setup ## choose the newest versions that fit, and pin them with their hashes
	$(BIN)/uv pip compile --quiet --upgrade --universal --no-strip-extras --python-version 3.11 --generate-hashes --all-extras --group dev --group bench \
	    --no-annotate --custom-compile-command 'make lock' --output-file requirements.lock pyproject.toml

clean: ## remove what was made
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage dist
