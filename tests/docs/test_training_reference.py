"""The pages about training name the columns, protocols, choices and defaults that the code has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from tests.support.commands import commands_of

import eeg_emotion_training
from eeg_emotion.eeg.montage import MONTAGES
from eeg_emotion.eeg.normaliser import NormaliserKind
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.eeg.resampling import HIGHEST_SFREQ, LOWEST_SFREQ
from eeg_emotion.inference.contract import METADATA_KEY, Contract
from eeg_emotion.recordings.deap import LABELS
from eeg_emotion_training.choices import MODELS, REPRESENTATIONS
from eeg_emotion_training.cli import app
from eeg_emotion_training.data import simulated_table
from eeg_emotion_training.data.check import Verdict
from eeg_emotion_training.data.table_cells import NEEDED, OPTIONAL
from eeg_emotion_training.evaluation.protocols import PROTOCOLS

DOCS = Path(__file__).resolve().parents[2] / "docs"
REFERENCE = (DOCS / "reference" / "training.md").read_text(encoding="utf-8")
STUDY = (DOCS / "how-to" / "run-a-study.md").read_text(encoding="utf-8")
MODEL = (DOCS / "topics" / "model.md").read_text(encoding="utf-8")
EVALUATION = (DOCS / "topics" / "evaluation.md").read_text(encoding="utf-8")


def table(text: str, heading: str) -> dict[str, list[str]]:
    """The rows of the first table below a heading, by their first cell."""
    below = text[text.index(f"\n## {heading}\n") :]
    lines = re.search(r"(?:^\|.*\n)+", below, re.MULTILINE)
    assert lines is not None
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[0].splitlines()]
    return {row[0]: row[1:] for row in rows[2:]}


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_command_has_a_row() -> None:
    rows = re.findall(r"^\| `(\w+)[^|]*\|", REFERENCE, re.MULTILINE)
    assert rows[:5] == list(commands_of(app))


def test_the_tables_columns_are_listed() -> None:
    columns = [name for cell in table(REFERENCE, "The table") for name in names(cell)]
    assert set(columns) == {*NEEDED, *OPTIONAL}
    assert f"Rates are {LOWEST_SFREQ:g} to {HIGHEST_SFREQ:g} Hz" in REFERENCE


def test_protocols_windows_and_splits_are_those_of_the_code() -> None:
    for text, heading in ((REFERENCE, "Protocols"), (EVALUATION, "The protocols")):
        assert [name.strip("`") for name in table(text, heading)] == list(PROTOCOLS)
    for name, (apart, chooses, windows) in table(REFERENCE, "Protocols").items():
        protocol = PROTOCOLS[name.strip("`")]
        assert windows.startswith(f"{protocol.window_seconds:g} s")
        assert ("baseline inside" in windows) == protocol.baseline
        assert ("within each person" in apart) == protocol.within_person
        assert (chooses == "nothing") == (not protocol.validation_apart)
    for name, (_, leaks) in table(EVALUATION, "The protocols").items():
        assert leaks.startswith("yes") == PROTOCOLS[name.strip("`")].leaks


@pytest.mark.parametrize(("column", "command"), [(0, "fit"), (1, "study")])
def test_defaults_are_those_of_the_command_line(column: int, command: str) -> None:
    options = {option.name: option for option in commands_of(app)[command].params}
    rows = table(REFERENCE, "Defaults")
    for name in ("representation", "normaliser", "montage"):
        assert rows[name][column] == f"`{options[name].default}`"
    for name in ("units", "batch_size", "seed"):
        assert rows[name.replace("_", " ")][column] == str(options[name].default)


def test_steps_and_networks_of_a_fit_are_those_of_the_command_line() -> None:
    options = {option.name: option for option in commands_of(app)["fit"].params}
    rows = table(REFERENCE, "Defaults")
    assert rows["steps"][0] == str(options["steps"].default)
    assert rows["network"][0] == f"`{options['network'].default}`"


def test_what_can_be_varied_is_listed() -> None:
    listed = {cells[0]: cells[1:] for cells in table_of_options()}
    assert listed["`--protocol`"] == list(PROTOCOLS)
    assert listed["`--networks`"] == list(MODELS)
    assert listed["`--targets`"] == list(LABELS)
    assert set(listed["`--representation`"]) == set(REPRESENTATIONS)
    assert listed["`--normaliser`"] == list(get_args(NormaliserKind))
    assert listed["`--montage`"] == list(MONTAGES)


def table_of_options() -> list[list[str]]:
    return [[name, *names(cells[0])] for name, cells in table(STUDY, "Choose what varies").items()]


def test_representations_have_the_stated_steps() -> None:
    for name, (_, steps) in table(MODEL, "What the network sees").items():
        path = PathSettings(representation=REPRESENTATIONS[name.strip("`")])
        assert path.window_shape[0] == int(steps)


def test_the_contracts_parts_are_listed() -> None:
    listed = [name for cell in table(MODEL, "The contract") for name in names(cell)]
    assert sorted(["schema_version", *listed]) == sorted(Contract.model_fields)
    assert (
        f"`{METADATA_KEY}`, in version {Contract.model_fields['schema_version'].default}" in MODEL
    )


def test_verdicts_are_listed() -> None:
    page = (DOCS / "how-to" / "train-on-deap.md").read_text(encoding="utf-8")
    assert all(f"`{verdict}`" in page for verdict in Verdict)


def test_the_simulated_recordings_are_described() -> None:
    told = (
        f"{simulated_table.REST_SECONDS} s of rest, then {simulated_table.TRIALS} films of "
        f"{simulated_table.TRIAL_SECONDS} s with pauses of {simulated_table.PAUSE_SECONDS} s"
    )
    assert told in REFERENCE.replace("\n", " ")


def test_every_folder_and_named_module_of_the_package_is_there() -> None:
    package = Path(eeg_emotion_training.__file__).parent
    rows = table(REFERENCE, "Modules")
    folders = {path.name for path in package.iterdir() if (path / "__init__.py").exists()}
    assert {name.strip("`/") for name in rows if name.endswith("/`")} == folders
    for place, (what,) in rows.items():
        folder = package / place.strip("`") if place.endswith("/`") else package
        for name in names(what if place.endswith("/`") else place):
            assert list(folder.glob(name)), f"found no {name} in {folder}"
