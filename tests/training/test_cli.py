from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import eeg_emotion
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.inference.model import load_model
from eeg_emotion_training import cli
from eeg_emotion_training.cli import app

runner = CliRunner()


@pytest.fixture
def run_main(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs what the console script runs; returns its exit status, output and errors."""
    # What `main` sets is undone after the test.
    for name in ("TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS", "KERAS_BACKEND"):
        monkeypatch.setenv(name, os.environ.get(name, ""))

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["eeg-emotion-train", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        assert isinstance(caught.value.code, int)
        return caught.value.code, *capsys.readouterr()

    return run


def invoke(*arguments: str | Path) -> Result:
    return runner.invoke(app, list(map(str, arguments)), env={"NO_COLOR": "1", "COLUMNS": "200"})


def refused(*arguments: str | Path) -> str:
    """What the command prints when it fails with one message."""
    result = invoke(*arguments)
    assert isinstance(result.exception, EegEmotionError), result.output
    text = str(result.exception)
    assert "\n" not in text
    return text


def test_help_lists_the_verbs_in_the_order_of_their_use() -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    verbs = re.findall(r"^\W*(\w+)  +[A-Z]", result.stdout.split("Commands")[1], re.MULTILINE)
    assert verbs == ["simulate", "check", "fit", "study", "export"]


@pytest.mark.parametrize("verb", ["simulate", "check", "fit", "study", "export"])
def test_every_verb_explains_itself(verb: str) -> None:
    result = invoke(verb, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.stdout


# It makes each mistake in turn, and prints what of the extras has been imported.
MISTAKES = """
import json, sys
from eeg_emotion.extras import MODULES
from eeg_emotion_training.cli import main
for arguments in json.loads(sys.argv[1]):
    sys.argv[1:] = arguments
    try:
        main()
        raise SystemExit(f"{arguments} was no mistake")
    except SystemExit as ended:
        print("ended", ended.code)
loaded = {name.partition(".")[0] for name in sys.modules}
print(json.dumps(sorted(loaded & set(sum(MODULES.values(), ())))))
"""


def make_mistakes(mistakes: list[list[str]]) -> subprocess.CompletedProcess[str]:
    """Make them in a process that has imported nothing yet."""
    command = [sys.executable, "-c", MISTAKES, json.dumps(mistakes)]
    return subprocess.run(command, check=True, capture_output=True, text=True)


FIT = ("--target", "valence", "--out", "run")


def test_help_and_mistakes_import_no_training_library(tmp_path: Path) -> None:
    mistakes = [
        ["--help"],
        ["--version"],
        ["fit", "--help"],
        ["fit", "people"],
        ["fit", "people", *FIT, "--network", "rnn"],
        ["fit", str(tmp_path / "people"), *FIT],
        ["fit", "people", "--target", "valence", "--out", str(tmp_path)],
        ["study", "people", "--out", "study", "--quick"],
        ["study", "--quick", "--out", "study", "--normaliser", "own"],
        ["export", "--out", "model"],
    ]
    result = make_mistakes(mistakes)
    assert "Traceback" not in result.stderr
    lines = result.stdout.splitlines()
    ends = [line for line in lines if line.startswith("ended ")]
    assert ends == [f"ended {status}" for status in (0, 0, 0, 2, 1, 1, 1, 2, 1, 2)]
    # Rich, which the help is written with, brings one of them itself.
    assert set(json.loads(lines[-1])) <= {"markdown_it"}


@pytest.mark.needs("time")
def test_mistakes_in_a_study_or_an_export_do_not_import_keras(tmp_path: Path) -> None:
    mistakes = [
        ["study", "--quick", "--out", str(tmp_path / "study"), "--networks", "rnn"],
        ["export", "--run", str(tmp_path / "run"), "--out", "model"],
    ]
    result = make_mistakes(mistakes)
    said = result.stderr.splitlines()
    assert said[0].startswith("eeg-emotion-train: found the network rnn, expected some of gru")
    assert "is not a complete run of 'eeg-emotion-train fit'" in said[1]
    loaded = json.loads(result.stdout.splitlines()[-1])
    assert "sklearn" in loaded
    assert not {"keras", "tensorflow", "onnx"} & set(loaded)


def test_the_version_is_named() -> None:
    assert invoke("--version").stdout == f"eeg-emotion-train {eeg_emotion.__version__}\n"


@pytest.mark.parametrize("absent", ["sklearn", "tensorflow", "keras"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["fit", "people", *FIT],
        ["study", "--quick", "--out", "study"],
        ["export", "--run", "run", "--out", "model"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_missing_extra_is_one_message_with_its_remedy(
    absent: str, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "open_sources", lambda *_: {"deap32": ThreePeople()})
    monkeypatch.setitem(sys.modules, absent, None)
    said = refused(*arguments)
    assert said == (
        f"found no {absent}, which 'eeg-emotion-train {arguments[0]}' needs, expected the extra "
        f"'training'; install it with: {sys.executable} -m pip install 'eeg-emotion[training]'"
    )
    assert list(tmp_path.iterdir()) == []


class ThreePeople:
    """As much of a source as is looked at before anyone is read."""

    name = "three people"
    labels = ("valence",)
    digests: ClassVar = {"p1": "", "p2": "", "p3": ""}


def test_another_backend_needs_no_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert "found no such folder" in refused("export", "--run", "nothing", "--out", "model")


def test_a_study_on_dask_needs_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    said = refused("study", "--quick", "--out", "study", "--dask", "tcp://127.0.0.1:1")
    assert said.startswith("found no distributed, which 'eeg-emotion-train study' needs")


def test_check_of_an_empty_folder_fails_with_the_reason(tmp_path: Path) -> None:
    result = invoke("check", tmp_path)
    assert result.exit_code == 1
    assert f"{tmp_path}: not DEAP - refused" in result.stdout
    assert "found no s01.dat or s01.mat, expected DEAP's preprocessed files" in result.stdout


@pytest.mark.parametrize("verb", ["check", "fit"])
def test_a_missing_folder_is_reported_as_missing(tmp_path: Path, verb: str) -> None:
    more: list[str | Path] = (
        ["--target", "valence", "--out", tmp_path / "run"] if verb == "fit" else []
    )
    said = refused(verb, tmp_path / "deep", *more)
    assert said.startswith(f"found nothing at {tmp_path / 'deep'}, expected a folder of DEAP's")
    assert "correct the path, or write simulated people with" in said


def test_check_recognises_simulated_people(
    simulated_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrote: list[tuple[Any, ...]] = []

    def write(folder: Path, subjects: int, seed: int, tell: Callable[[int, int], None]) -> None:
        wrote.append((folder, subjects, seed))
        tell(1, subjects)

    with monkeypatch.context() as patch:
        patch.setattr("eeg_emotion_training.data.simulate.write_people", write)
        written = invoke("simulate", tmp_path / "people", "--subjects", "1", "--seed", "5")
    assert (written.exit_code, written.stdout) == (0, "wrote simulated person 1 of 1\n")
    assert wrote == [(tmp_path / "people", 1, 5)]
    checked = invoke("check", simulated_folder)
    assert checked.exit_code == 0
    assert f"{simulated_folder}: simulated\n" in checked.stdout
    assert "no person's brain made these signals" in checked.stdout


def test_simulate_and_check_of_a_table(tmp_path: Path) -> None:
    written = invoke("simulate", tmp_path, "--table", "--subjects", "1", "--seed", "5")
    table = tmp_path / "labels.csv"
    assert written.stdout == f"wrote simulated person 1 of 1\nwrote {table}\n"
    checked = invoke("check", table, "--dataset", "csv", "--montage", "muse4")
    assert checked.exit_code == 0
    assert f"{table}: 1 simulated people, labels arousal, valence\n" in checked.stdout
    assert "128 Hz, 4 of 4 channels filled in\n" in checked.stdout


def test_check_of_a_missing_table_names_it(tmp_path: Path) -> None:
    said = refused("check", tmp_path / "labels.csv", "--dataset", "csv")
    assert said.startswith(f"found no readable table {tmp_path / 'labels.csv'} (No such file")


def test_fit_with_too_few_people_is_one_message_and_not_a_traceback(
    run_main: Callable[..., tuple[int, str, str]], simulated_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    status, output, errors = run_main("fit", simulated_folder, "--target", "valence", "--out", out)
    assert (status, output) == (1, "")  # before anyone is read
    assert errors == (
        "eeg-emotion-train: the data set: found 1 people, expected at least 3 to hold some apart; "
        "add data, leave the person out, or choose another protocol\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--network", "rnn"], "found the network 'rnn', expected one of gru, bn-gru, lstm, bn-l"),
        (["--representation", "fft"], "found the representation 'fft', expected one of raw, band"),
        (["--montage", "cap64"], "found the montage 'cap64', expected some of deap32, ten-twenty"),
        (["--montage", "deap32,muse4"], "found the montages deap32, muse4, expected 1"),
    ],
)
def test_unknown_names_are_refused_with_the_list(options: list[str], said: str) -> None:
    assert refused("fit", "people", *FIT, *options).startswith(said)


def test_an_unknown_target_is_refused_before_people_are_read(
    simulated_folder: Path, tmp_path: Path
) -> None:
    result = invoke("fit", simulated_folder, "--target", "mood", "--out", tmp_path / "run")
    assert str(result.exception) == (
        "found the target 'mood', expected one of valence, arousal, dominance, liking, the labels "
        "of simulated people in DEAP's format"
    )
    assert result.stdout == ""


def test_fit_refuses_an_earlier_run_before_it_reads_anything(tmp_path: Path) -> None:
    said = refused("fit", tmp_path / "none", "--target", "valence", "--out", tmp_path)
    assert "already, expected a new folder" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["fit", "people", "--target", "valence"],
        ["fit", "people", "--out", "run"],
        ["fit", "people", *FIT, "--seed", "-1"],
        ["fit", "people", *FIT, "--seed", str(2**32)],
        ["fit", "people", *FIT, "--normaliser", "own"],
        ["fit", "people", *FIT, "--dataset", "hdf"],
        ["fit", "people", *FIT, "--steps", "0"],
        ["simulate", "people", "--subjects", "33"],
        ["study", "--out", "study"],
        ["study", "people", "--out", "study", "--quick"],
        ["export", "--out", "model"],
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    assert invoke(*arguments).exit_code == 2


def test_export_of_a_folder_that_is_no_run_states_what_to_name(tmp_path: Path) -> None:
    out = ("--out", tmp_path / "mine-simulated")
    said = refused("export", "--run", tmp_path / "nothing", *out)
    assert said == (
        f"{tmp_path / 'nothing'} is not a complete run of 'eeg-emotion-train fit': found "
        "no such folder; name the folder passed to its --out, or fit again with this release"
    )
    (tmp_path / "photos").mkdir()
    said = refused("export", "--run", tmp_path / "photos", *out)
    assert "'eeg-emotion-train fit': found no run.json; name the folder" in said
    (tmp_path / "photos" / "run.json").write_text('{"epochs": 3}', encoding="utf-8")
    said = refused("export", "--run", tmp_path / "photos", *out)
    assert "run.json is not valid at units: Field required, and 17 more errors;" in said
    assert sorted(item.name for item in tmp_path.iterdir()) == ["photos"]


CHANNELS = ("Fz", "Cz", "Pz", "Oz")


def table_of(folder: Path, people: int) -> Path:
    """A table over recordings of 4 channels at 128 Hz: rest, and four trials of 10 s for each."""
    mne = pytest.importorskip("mne", reason="MNE is not installed (the extra 'recordings')")
    rng = np.random.default_rng(1)
    rows = ["file,person,trial,start,stop,mood"]
    for number in range(people):
        signal = rng.normal(0.0, 1e-5, (4, 70 * 128))
        info = mne.create_info(list(CHANNELS), 128.0, "eeg")
        name = f"p{number}_raw.fif"
        mne.io.RawArray(signal, info, verbose="ERROR").save(folder / name, verbose="ERROR")
        rows.append(f"{name},p{number},rest,0,26,")
        rows += [
            f"{name},p{number},t{trial},{26 + 11 * trial},{36 + 11 * trial},"
            f"{'low' if trial % 2 else 'high'}"
            for trial in range(4)
        ]
    path = folder / "trials.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


TABLE = ("--dataset", "csv", "--montage", ",".join(CHANNELS), "--target", "mood")


def test_a_table_of_fewer_than_three_people_is_one_message(tmp_path: Path) -> None:
    path = table_of(tmp_path, 2)
    said = refused("fit", path, *TABLE, "--out", tmp_path / "run")
    assert said.startswith("the data set: found 2 people, expected at least 3 to hold some apart;")
    assert not (tmp_path / "run").exists()


def test_a_table_is_fitted_and_exported_with_rest_baselines(tmp_path: Path) -> None:
    path = table_of(tmp_path, 3)
    small = ("--normaliser", "rest-baseline", "--network", "gru", "--representation", "bands7")
    size = ("--units", "4", "--steps", "10", "--batch-size", "4")
    out = tmp_path / "run"
    fitted = invoke("fit", path, *TABLE, *small, *size, "--out", out)
    assert fitted.exit_code == 0, fitted.output
    lines = fitted.stdout.splitlines()
    assert lines[0] == "read p0: 4 trials, 8 windows"
    assert lines[3].startswith("mood: people: 1 for training (8 windows), 1 for validation, 1 held")
    assert lines[-2].startswith("held out: mood: balanced accuracy 0.")
    assert lines[-1] == f"wrote {out}; TensorBoard: tensorboard --logdir {out / 'logs'}"
    # A second target, whose run differs in nothing but its name.
    other = shutil.copytree(out, tmp_path / "other")
    record = (other / "run.json").read_text(encoding="utf-8")
    (other / "run.json").write_text(record.replace('"mood"', '"calm"'), encoding="utf-8")
    model = tmp_path / "mine"
    exported = invoke("export", "--run", out, "--run", other, "--out", f"{model}.onnx")
    assert exported.exit_code == 0, exported.output
    assert exported.stdout == (
        f"wrote {model}.onnx for mood and calm, its card {model}.md, and its line in SHA256SUMS\n"
    )
    contract = load_model(tmp_path / "mine.onnx").contract
    assert contract.version == "1"
    assert contract.path.channels == CHANNELS
    assert contract.normaliser.kind == "rest-baseline"
    assert [target.name for target in contract.targets] == ["mood", "calm"]


def test_missing_rest_is_reported(tmp_path: Path) -> None:
    path = table_of(tmp_path, 3)
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r".*,rest,.*\n", "", text), encoding="utf-8")
    more = ("--normaliser", "rest-baseline", "--out", tmp_path / "run")
    said = refused("fit", path, *TABLE, *more)
    assert said.startswith("p0: found too little clean rest for a rest baseline, expected 20 s")


def test_an_error_of_ours_is_red_text_and_exit_status_1(
    run_main: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise EegEmotionError("found [a] thing")

    monkeypatch.setattr(cli, "app", fail)
    assert run_main() == (1, "", "eeg-emotion-train: found [a] thing\n")
