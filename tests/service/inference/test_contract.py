from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from eeg_emotion.eeg.normaliser import Normaliser
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.eeg.representation import RawSignal
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.inference.contract import (
    Contract,
    ContractError,
    HeldOut,
    LabelPolicy,
    Target,
    TrainedOn,
    parse_contract,
)

Fields = dict[str, Any]


def contract(path: PathSettings | None = None) -> Contract:
    path = path or PathSettings()
    width = path.window_shape[1]
    return Contract(
        name="tested",
        version="3",
        targets=(Target(name="arousal"), Target(name="valence")),
        path=path,
        normaliser=Normaliser(
            mean=tuple(0.1 * i for i in range(width)), sd=tuple(1.0 + i for i in range(width))
        ),
        label_policy=LabelPolicy(id="above-5", text="high is a rating above 5"),
        trained_on=TrainedOn(dataset="made up", simulated=True, people=2, windows=9, digest="d1"),
        held_out=(
            HeldOut(
                target="arousal",
                protocol="people held out",
                people=4,
                trials=160,
                windows=1920,
                accuracy=0.75,
                balanced_accuracy=0.7,
                auroc=0.8,
                majority_accuracy=0.55,
            ),
        ),
        seeds=(1, 2),
        code_version="0.1.0",
    )


def refused(change: Callable[[Fields], object]) -> str:
    """The message with which a changed contract is refused."""
    fields = json.loads(contract().to_json())
    change(fields)
    with pytest.raises(ContractError) as caught:
        parse_contract(json.dumps(fields))
    return str(caught.value)


@pytest.mark.parametrize(
    "path",
    [PathSettings(), PathSettings(representation=RawSignal()), PathSettings(channels=("Cz", "Pz"))],
)
def test_a_contract_survives_the_way_through_json(path: PathSettings):
    stated = contract(path)
    read = parse_contract(stated.to_json())
    assert read == stated
    assert type(read.path.representation) is type(path.representation)


def test_all_that_the_signal_path_needs_is_written_out():
    fields = json.loads(contract().to_json())
    assert set(fields["path"]) == set(PathSettings.__dataclass_fields__)
    assert fields["schema_version"] == 1


@pytest.mark.parametrize("text", ["", "{", "contract", '{"name": }', "{'name': 1}"])
def test_text_that_is_no_json_is_refused(text: str):
    with pytest.raises(ContractError, match="contract is no JSON"):
        parse_contract(text)


@pytest.mark.parametrize("text", ["[]", "3", "null", '"text"'])
def test_json_that_is_no_object_is_refused(text: str):
    with pytest.raises(ContractError, match=r"schema version None, expected 1"):
        parse_contract(text)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_an_unknown_schema_version_is_refused_with_the_remedy(version: object):
    message = refused(lambda fields: fields.update(schema_version=version))
    assert f"found a contract of schema version {version!r}, expected 1" in message
    assert "export the model with the trainer of this release" in message


def test_a_missing_schema_version_is_refused():
    assert "schema version None" in refused(lambda fields: fields.pop("schema_version"))


@pytest.mark.parametrize(
    "name",
    ["name", "version", "targets", "path", "normaliser", "label_policy", "trained_on", "held_out",
     "seeds", "code_version"],
)  # fmt: skip
def test_a_missing_field_is_refused_by_name(name: str):
    assert f"{name}: Field required" in refused(lambda fields: fields.pop(name))


@pytest.mark.parametrize("name", list(PathSettings.__dataclass_fields__))
def test_a_missing_setting_of_the_signal_path_is_refused_and_not_filled_in(name: str):
    assert f"path.{name}" in refused(lambda fields: fields["path"].pop(name))


@pytest.mark.parametrize("name", ["kind", "step_seconds", "order", "bands"])
def test_a_missing_setting_of_the_representation_is_refused_by_name(name: str):
    message = refused(lambda fields: fields["path"]["representation"].pop(name))
    assert f"path.representation.{name}" in message


@pytest.mark.parametrize(
    "place",
    [(), ("path",), ("path", "representation"), ("path", "representation", "bands", 2),
     ("normaliser",), ("targets", 0), ("label_policy",), ("trained_on",), ("held_out", 0)],
    ids=lambda place: ".".join(map(str, place)) or "top",
)  # fmt: skip
def test_an_unknown_field_is_refused_by_name(place: tuple[str | int, ...]):
    def add(fields: Any) -> None:
        for part in place:
            fields = fields[part]
        fields["surprise"] = 1

    assert "surprise" in refused(add)


@pytest.mark.parametrize("field", ["mean", "sd"])
def test_a_normaliser_of_another_width_is_refused(field: str):
    message = refused(lambda fields: fields["normaliser"][field].pop())
    assert "found a normaliser for" in message
    assert "expected 128" in message


@pytest.mark.parametrize("spread", [0.0, -1.0])
def test_a_normaliser_without_spread_is_refused(spread: float):
    message = refused(lambda fields: fields["normaliser"]["sd"].__setitem__(5, spread))
    assert "spread of 0, expected positive" in message


@pytest.mark.parametrize(
    "place",
    [("normaliser", "mean", 0), ("normaliser", "sd", 0), ("path", "sfreq"),
     ("path", "settle_seconds"), ("path", "notch_q"), ("held_out", 0, "auroc")],
    ids=lambda place: ".".join(map(str, place)),
)  # fmt: skip
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_refused(place: tuple[str | int, ...], value: float):
    def put(fields: Any) -> None:
        for part in place[:-1]:
            fields = fields[part]
        fields[place[-1]] = value

    assert "finite number" in refused(put)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("sfreq", 0.0, "sfreq = 0.0"),
        ("hop_seconds", 0.3, "hop_seconds = 0.3"),
        ("hop_seconds", 6.0, "hop longer than the window"),
        ("reference", "mastoids", "average"),
        ("unit", "mV", "uV"),
        ("representation", {"kind": "wavelets"}, "representation"),
    ],
)
def test_a_signal_path_that_cannot_be_is_refused(field: str, value: object, said: str):
    message = refused(lambda fields: fields["path"].update({field: value}))
    assert "contract is not valid" in message
    assert said in message


def test_steps_shorter_than_a_sample_are_refused():
    message = refused(lambda fields: fields["path"]["representation"].update(step_seconds=1e-4))
    assert "found steps of 0 samples" in message


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("bandpass_hz", [4.0, 70.0], "found a band of 4.0 to 70.0 Hz at 128.0 Hz"),
        ("notch_hz", [200.0], "cannot be run"),
        ("channels", ["Fp1"] * 32, "found more than one channel labelled Fp1"),
    ],
)
def test_settings_that_no_signal_path_can_have_are_refused_before_a_headset_comes(
    field: str, value: object, said: str
):
    def put(fields: Fields) -> None:
        fields["path"][field] = value

    assert said in refused(put)


@pytest.mark.parametrize("names", [[], ["arousal", "arousal"]])
def test_targets_are_named_once_and_there_is_one(names: list[str]):
    classes = ["low", "high"]
    message = refused(
        lambda fields: fields.update(targets=[{"name": n, "classes": classes} for n in names])
    )
    assert f"found targets {names}, expected each once and at least one" in message


def test_an_unknown_target_and_other_classes_are_refused():
    assert "targets.0.name" in refused(lambda fields: fields["targets"][0].update(name="joy"))
    assert "targets.1.classes" in refused(
        lambda fields: fields["targets"][1].update(classes=["high", "low"])
    )


def test_all_problems_are_told_at_once():
    def spoil(fields: Fields) -> None:
        del fields["name"]
        fields["trained_on"]["people"] = 0

    message = refused(spoil)
    assert "name: Field required" in message
    assert "trained_on.people" in message


def test_a_result_is_never_told_without_its_protocol():
    told = contract().held_out[0].describe()
    for part in ("0.700", "0.750", "0.550", "0.800", "people held out", "4 people", "160 trials"):
        assert part in told


def test_a_refusal_is_an_error_of_this_project():
    assert issubclass(ContractError, EegEmotionError)
