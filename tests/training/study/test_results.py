from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eeg_emotion_training.networks.curve import Point
from eeg_emotion_training.study.results import (
    Record,
    Result,
    ResultError,
    Spec,
    load_result,
    result_path,
    save_result,
    skipped,
)

FilesOfAtMost = Callable[[int], AbstractContextManager[None]]

SPEC = Spec(
    protocol="trial",
    fold="s01-1",
    target="valence",
    network="bn-gru",
    montage="deap32",
    representation="bands",
    normaliser="training",
    units=64,
    steps=10_000,
    batch_size=64,
    seed=1,
    labels="true",
    backend="tensorflow",
    data_sha256="d" * 64,
    split_sha256="5" * 64,
    code_version="0.1.0+abc",
)
OTHERS: dict[str, Any] = {
    "protocol": "loso",
    "fold": "s01-2",
    "target": "arousal",
    "network": "gru",
    "montage": "muse4",
    "representation": "raw",
    "normaliser": "rest-baseline",
    "units": 65,
    "steps": 10_001,
    "batch_size": 65,
    "seed": 2,
    "labels": "shuffled",
    "backend": "jax",
    "data_sha256": "e" * 64,
    "split_sha256": "6" * 64,
    "code_version": "0.1.0+abd",
}


def test_a_results_name_is_the_same_in_every_release() -> None:
    """Finished studies are found by it; it depends on the order of the fields too."""
    assert list(Spec.model_fields) == list(OTHERS)
    assert SPEC.digest == "cf764ee02c9c2e4aed5cf9d93719d3bf"


def made_result(spec: Spec = SPEC, windows: int = 40) -> Result:
    rng = np.random.default_rng(1)
    return Result(
        Record(
            spec=spec,
            status="done",
            seconds=1.5,
            training_windows=288,
            training_people=1,
            leak_share=0.25,
            best_step=400,
            curve=(Point(step=200, seconds=0.5, training_loss=0.7, training_accuracy=0.5),),
            temperature=1.3,
            unsure=(0.4, 0.6),
        ),
        person=np.array(["s01"] * windows),
        trial=np.arange(windows, dtype=np.int32),
        high=np.arange(windows) % 2 == 0,
        raw=rng.random(windows),
        probability=rng.random(windows),
    )


def assert_equal(found: Result | None, expected: Result) -> None:
    assert found is not None
    assert found.record == expected.record
    for name in ("person", "trial", "high", "raw", "probability"):
        column, wanted = getattr(found, name), getattr(expected, name)
        assert column.tolist() == wanted.tolist()
        assert column.dtype.kind == wanted.dtype.kind


@pytest.mark.parametrize("name", Spec.model_fields)
def test_every_field_of_the_spec_is_in_the_results_name(name: str) -> None:
    other = SPEC.model_copy(update={name: OTHERS[name]})
    assert other.digest != SPEC.digest
    assert SPEC.model_copy().digest == SPEC.digest


def test_a_result_comes_back_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there" / "yet"
    save_result(folder, made_result())
    assert_equal(load_result(folder, SPEC), made_result())
    assert [path.name for path in folder.iterdir()] == [f"{SPEC.digest}.npz"]


def test_a_skipped_fold_comes_back_with_its_reason(tmp_path: Path) -> None:
    save_result(tmp_path, skipped(SPEC, "found only low"))
    found = load_result(tmp_path, SPEC)
    assert_equal(found, skipped(SPEC, "found only low"))
    assert found is not None
    assert (found.record.status, found.record.reason) == ("skipped", "found only low")


def test_a_missing_result_is_none(tmp_path: Path) -> None:
    assert load_result(tmp_path / "nowhere", SPEC) is None


def test_a_result_under_anothers_name_is_not_accepted(tmp_path: Path) -> None:
    other = SPEC.model_copy(update={"seed": 2})
    save_result(tmp_path, made_result(other))
    os.rename(result_path(tmp_path, other), result_path(tmp_path, SPEC))
    assert load_result(tmp_path, SPEC) is None


def test_a_truncated_result_is_not_accepted(tmp_path: Path) -> None:
    save_result(tmp_path, made_result(windows=3))
    path = result_path(tmp_path, SPEC)
    whole = path.read_bytes()
    for length in (*range(0, len(whole), 97), len(whole) - 1):
        path.write_bytes(whole[:length])
        assert load_result(tmp_path, SPEC) is None, length


@pytest.mark.parametrize(
    "garbage", [b"\0" * 500, b"PK\x03\x04" + b"x" * 500, b"no zip at all", b"\x80\x04."]
)
def test_garbage_is_not_accepted_and_is_replaced(tmp_path: Path, garbage: bytes) -> None:
    result_path(tmp_path, SPEC).write_bytes(garbage)
    assert load_result(tmp_path, SPEC) is None
    save_result(tmp_path, made_result())
    assert_equal(load_result(tmp_path, SPEC), made_result())


def test_a_damaged_byte_never_changes_a_result_nor_raises(tmp_path: Path) -> None:
    save_result(tmp_path, made_result(windows=3))
    path = result_path(tmp_path, SPEC)
    whole = path.read_bytes()
    taken = 0
    for place in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        found = load_result(tmp_path, SPEC)
        if found is not None:  # a byte that means nothing, such as one of a date
            taken += 1
            assert_equal(found, made_result(windows=3))
    assert taken < len(whole) / 3 / 4


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from eeg_emotion_training.study import results

def half(file, **arrays):
    file.write(b"PK half a result")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)

spec = results.Spec.model_validate_json(sys.argv[2])
whole = np.savez
np.savez = half
results.save_result(Path(sys.argv[1]), results.skipped(spec, "because"))
"""


def test_a_writer_that_is_killed_leaves_nothing_under_the_results_name(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), SPEC.model_dump_json()],
        check=False,
        timeout=60,
    )
    assert run.returncode == -signal.SIGKILL
    # It was killed while it wrote, and what it wrote has another name.
    (left,) = tmp_path.iterdir()
    assert left.read_bytes() == b"PK half a result"
    assert left != result_path(tmp_path, SPEC)
    assert load_result(tmp_path, SPEC) is None
    save_result(tmp_path, made_result())
    assert_equal(load_result(tmp_path, SPEC), made_result())


def test_a_full_disk_is_reported_and_leaves_the_earlier_result(
    tmp_path: Path, files_of_at_most: FilesOfAtMost
) -> None:
    save_result(tmp_path, made_result())
    with (
        files_of_at_most(4096),
        pytest.raises(
            ResultError, match=r"cannot write .*: File too large; free some disk space, or"
        ),
    ):
        save_result(tmp_path, made_result(windows=4000))
    assert [path.name for path in tmp_path.iterdir()] == [f"{SPEC.digest}.npz"]
    assert_equal(load_result(tmp_path, SPEC), made_result())


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ResultError, match="finished results are kept"):
        save_result(tmp_path / "file", made_result())
