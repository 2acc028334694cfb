# Needs Python 3.11 and make; everything else is built into .venv by the targets themselves.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
ARGS ?=

.PHONY: demo test lint bench model protocol settings screenshot requirements clean

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

bench: .venv/dev.stamp ## measures; prints each figure beside its aim
	@$(BIN)/python -m pytest tests/bench -o python_files='bench_*.py' -o pythonpath=tests/bench -o addopts= --import-mode=importlib -o timeout=0 -W ignore -q -s -p no:randomly $(ARGS)

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

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

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
