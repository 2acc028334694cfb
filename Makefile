# Needs Python 3.11 and make; everything else is built into .venv by the targets themselves.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
ARGS ?=
DIST := dist

.PHONY: help demo test lint bench dist model protocol settings screenshot requirements clean

help: ## this list
	@awk -F ' *## ' '/^[a-z-]+:.* ## / { sub(/:.*/, "", $$1); printf "make %-13s %s\n", $$1, $$2 }' Makefile

demo: .venv/service.stamp ## the main job until Ctrl-C; ARGS="--seconds 30 --json"
	@$(BIN)/eeg-emotion demo $(ARGS)

# Some machines forbid Python to keep what it compiled; the tests start it a hundred times.
test: export PYTHONDONTWRITEBYTECODE =
test: .venv/dev.stamp ## all tests; ARGS are pytest's
# Three workers on two cores, since many tests wait; and no threads of numerical libraries besides.
	@OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: .venv/dev.stamp ## ruff, mypy --strict for each platform, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32
	@$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin
	@$(BIN)/lint-imports --no-logo

bench: .venv/dev.stamp ## measures all, or the file that ARGS names; each figure beside its aim
	@$(BIN)/python -m pytest $(if $(findstring tests/bench,$(ARGS)),,tests/bench) -o python_files='bench_*.py' -o pythonpath=tests/bench -o addopts= --import-mode=importlib -o timeout=0 -W ignore -q -s -p no:randomly -rs $(ARGS)

# The same commit gives the same bytes: all bears its date, or hatchling's own where there is no git.
dist: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 1580601600)
dist: .venv/dev.stamp ## wheel, source and SBOM (CycloneDX) into dist/
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

model: .venv/dev.stamp ## rebuilds models/demo-simulated.onnx from simulated people
	@BIN=$(BIN) sh models/rebuild.sh

protocol: .venv/service.stamp ## service/asyncapi.json and service/schema anew from the message types
	@$(BIN)/python -c 'from pathlib import Path; from eeg_emotion.publish.asyncapi import documents; [Path("service", name).write_text(text, encoding="utf-8") for name, text in documents().items()]'

settings: .venv/service.stamp ## service/SETTINGS.md anew from the settings
	@$(BIN)/python -c 'from pathlib import Path; from eeg_emotion.settings_reference import reference; Path("service", "SETTINGS.md").write_text(reference(), encoding="utf-8")'

screenshot: .venv/dev.stamp ## service/dashboard.png anew, from five minutes of the demo
	@$(BIN)/python -m tests.screenshot

requirements: ## pins requirements/*.txt anew, versions and hashes
	@sh requirements/pin.sh $(PYTHON)

clean: ## removes .venv, dist and the caches
	rm -rf .venv $(DIST) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

.venv/bin/python:
	@$(PYTHON) -m venv .venv

# The service and the readers of recordings: no TensorFlow.
.venv/service.stamp: requirements/service.txt pyproject.toml | .venv/bin/python
	@echo "setting up .venv for the service"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# And the trainer, the tests' tools and the linters.
.venv/dev.stamp: requirements/dev.txt .venv/service.stamp
	@echo "setting up .venv for training and tests"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@
