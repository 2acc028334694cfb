# Needs make and a Python from 3.11 to 3.14; everything else is built by the targets themselves: into
# .venv, or for another Python than .venv's, named as in `make PYTHON=python3.12 demo`, into .venv-3.12.
ifdef PYTHON
VENV := $(or $(shell sh requirements/environment.sh $(PYTHON)),$(error PYTHON=$(PYTHON) cannot be used))
else
VENV := .venv
endif
BIN := $(VENV)/bin
ARGS ?=
DIST := dist

# What of the tests runs on every Python: without the trainer, and within half a minute.
TESTS_OF_EACH_PYTHON := $(addprefix tests/service/,access api/test_wire.py \
	eeg/test_filters.py eeg/test_sanitiser.py eeg/test_windows.py alarms/rules inference publish stream test_logs.py)

# More workers than cores, since many tests wait; and no threads of numerical libraries besides.
PYTEST := OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 $(BIN)/python -m pytest --dist loadfile --no-loadscope-reorder

# Some machines forbid Python to keep what it compiled; the tests start it a hundred times.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-all soak test-python test-environment test-pythons lint bench docs dist model reference screenshot requirements pins-check clean

help: ## this list
	@awk -F ' *## ' '/^[a-z-]+:.* ## / { sub(/:.*/, "", $$1); printf "make %-13s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/service.stamp ## the main job until Ctrl-C; ARGS="--seconds 30 --json"
	@$(BIN)/eeg-emotion demo $(ARGS)

test: $(VENV)/dev.stamp ## what anyone can run in 3 minutes; ARGS are pytest's
	@$(PYTEST) -n 4 $(ARGS)

test-all: $(VENV)/dev.stamp ## all tests: browser, servers, root, recordings; branch coverage; names what is missing here
	@$(PYTEST) -n 4 --all --cov $(if $(ARGS),--cov-fail-under=0) $(ARGS)

soak: $(VENV)/dev.stamp ## make test 4 times on a quiet machine, 4 times beside busy loops; minutes to hours
	@HYPOTHESIS_PROFILE=soak $(BIN)/python tests/soak/under_load.py $(ARGS)

test-python: $(VENV)/test.stamp ## the tests that need no trainer, for PYTHON=...
	@OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 $(TESTS_OF_EACH_PYTHON) $(ARGS)

test-environment: $(VENV)/test.stamp

test-pythons: $(VENV)/service.stamp ## the wheel's demo and those tests on each further Python of this machine
	@bash .ci/pythons $(BIN)/python

lint: $(VENV)/dev.stamp ## ruff, mypy --strict for each platform and of the tests, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32 -p eeg_emotion -p eeg_emotion_training
	@$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin -p eeg_emotion -p eeg_emotion_training
	@$(BIN)/lint-imports --no-logo

bench: $(VENV)/dev.stamp ## measures all, or the file that ARGS names; each figure beside its aim
	@$(BIN)/python -m pytest $(if $(findstring tests/bench,$(ARGS)),,tests/bench) -o python_files='bench_*.py' -o addopts= --import-mode=importlib -o timeout=0 -W ignore -q -s -p no:randomly -rs $(ARGS)

docs: $(VENV)/dev.stamp ## builds the documentation into docs/_build/html; warnings are errors
	@$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

# The same commit gives the same bytes: all bears its date, or hatchling's own where there is no git.
dist: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 1580601600)
dist: $(VENV)/dev.stamp ## wheel, source and SBOM (CycloneDX) into dist/
	@rm -rf $(DIST)
	@$(BIN)/python -m build --quiet --no-isolation --outdir $(DIST) .
# The SBOM is of what the pins and the wheel install, in an environment that holds nothing else.
# It lies beside the wheel: one inside (PEP 770) is for what a wheel bundles, and ours bundles nothing.
	@$(BIN)/python -m venv --without-pip $(DIST)/sbom
	@$(BIN)/python -m pip --python $(DIST)/sbom/bin/python install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements/daemon.txt
	@$(BIN)/python -m pip --python $(DIST)/sbom/bin/python install --quiet --disable-pip-version-check --no-compile --no-deps $(DIST)/*.whl
	@$(BIN)/python -m pip --python $(DIST)/sbom/bin/python uninstall --quiet --disable-pip-version-check --yes hatchling editables
	@$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file $(DIST)/eeg-emotion.cdx.json $(DIST)/sbom/bin/python
	@rm -r $(DIST)/sbom

model: $(VENV)/dev.stamp ## rebuilds models/demo-simulated.onnx from simulated people
	@BIN=$(BIN) sh models/rebuild.sh

reference: $(VENV)/dev.stamp ## regenerates what is made from the code: pages of docs/reference, service/*.json, service/schema
	@$(BIN)/python -m docs.generate

screenshot: $(VENV)/dev.stamp ## remakes docs/_static/dashboard.png from five minutes of the demo
	@$(BIN)/python -m tests.screenshot

requirements: $(BIN)/python ## pins requirements/*.txt again, versions and hashes; ARGS=--upgrade for newer versions
	@sh requirements/pin.sh $(BIN)/python $(ARGS)

pins-check: $(BIN)/python ## resolves the pins for each Python and platform
	@sh requirements/check.sh $(BIN)/python

clean: ## removes the environments, dist and the caches
	rm -rf .venv .venv-3.* $(DIST) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

$(BIN)/python:
	@python=$$(sh requirements/python.sh $(PYTHON)) && rm -f $(VENV)/*.stamp && $$python -m venv $(VENV)

# The service and the readers of recordings: no TensorFlow.
$(VENV)/service.stamp: requirements/service.txt pyproject.toml | $(BIN)/python
	@echo "setting up $(VENV) for the service"
	@sh requirements/install.sh $(VENV) $<
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# And what the service's own tests need.
$(VENV)/test.stamp: requirements/test.txt $(VENV)/service.stamp
	@echo "setting up $(VENV) for tests of the service"
	@sh requirements/install.sh $(VENV) $<
	@touch $@

# And the trainer, the tests' tools and the linters.
$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/service.stamp
	@echo "setting up $(VENV) for training and tests"
	@UV_COMPILE_BYTECODE=1 sh requirements/install.sh $(VENV) $<
	@touch $@
