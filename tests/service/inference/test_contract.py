from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from eeg_emotion.eeg.normaliser import Normaliser
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.eeg.representation import RawSignal, Tangent
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.inference.contract import (
    Calibration,
    Contract,
    ContractError,
    HeldOut,
    LabelPolicy,
    ReliabilityBin,
    RestBaseline,
    Target,
    TrainedOn,
    parse_contract,
)

Fields = dict[str, Any]

CALIBRATION = Calibration(
    temperature=1.25, unsure=(0.4, 0.6), windows=960, people=2, ece_before=0.09, ece_after=0.04
)
# Three channels' covariances in seven bands: as if every channel went its own way.
TANGENT = PathSettings(channels=("Cz", "Pz", "Oz"), representation=Tangent())
REFERENCE = ((1.0, 0.0, 0.0, 1.0, 0.0, 1.0),) * 7


def contract(
    path: PathSettings | None = None, normaliser: Normaliser | RestBaseline | None = None
) -> Contract:
    path = path or PathSettings()
    width = path.window_shape[1]
    return Contract(
        name="tested",
        version="3",
        targets=(
            Target(name="arousal", calibration=CALIBRATION),
            Target(name="valence", calibration=CALIBRATION),
        ),
        path=path,
        normaliser=normaliser
        or Normaliser(
            mean=tuple(0.1 * i for i in range(width)),
            sd=tuple(1.0 + i for i in range(width)),
            reference=REFERENCE if path is TANGENT else (),
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
                ece=0.065,
                trial_balanced_accuracy=0.72,
                trial_interval=(0.61, 0.83),
                reliability=(
                    ReliabilityBin(low=0.2, high=0.4, predicted=0.3, observed=0.4, windows=960),
                    ReliabilityBin(low=0.8, high=1.0, predicted=0.83, observed=0.8, windows=960),
                ),
            ),
        ),
        seeds=(1, 2),
        code_version="0.1.0",
    )


def refused(change: Callable[[Fields], object], stated: Contract | None = None) -> str:
    """The message with which a changed contract is refused."""
    fields = json.loads((stated or contract()).to_json())
    change(fields)
    with pytest.raises(ContractError) as caught:
        parse_contract(json.dumps(fields))
    return str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        PathSettings(),
        PathSettings(representation=RawSignal()),
        PathSettings(channels=("Cz", "Pz")),
        TANGENT,
    ],
)
@pytest.mark.parametrize("normaliser", [None, RestBaseline(most_seconds=40, least_seconds=30)])
def test_a_contract_survives_the_way_through_json(
    path: PathSettings, normaliser: RestBaseline | None
) -> None:
    stated = contract(path, normaliser)
    read = parse_contract(stated.to_json())
    assert read == stated
    assert type(read.path.representation) is type(path.representation)
    assert type(read.normaliser) is type(stated.normaliser)


def test_all_that_the_signal_path_needs_is_written_out() -> None:
    fields = json.loads(contract().to_json())
    assert set(fields["path"]) == set(PathSettings.__dataclass_fields__)
    assert fields["schema_version"] == 3
    assert fields["targets"][0]["calibration"]["temperature"] == 1.25


@pytest.mark.parametrize("text", ["", "{", "contract", '{"name": }', "{'name': 1}"])
def test_text_that_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ContractError, match="contract is not JSON"):
        parse_contract(text)


@pytest.mark.parametrize("text", ["[]", "3", "null", '"text"'])
def test_json_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(ContractError, match=r"schema version None, expected 3"):
        parse_contract(text)


@pytest.mark.parametrize("version", [0, 1, 2, 4, "3", None])
def test_an_unknown_schema_version_is_refused_with_the_remedy(version: object) -> None:
    message = refused(lambda fields: fields.update(schema_version=version))
    assert f"found a contract of schema version {version!r}, expected 3" in message
    assert "export the model with the trainer of this release" in message


def test_a_contract_of_the_first_release_is_refused_with_the_remedy_and_not_by_its_fields() -> None:
    def as_of_schema_1(fields: Fields) -> None:
        fields["schema_version"] = 1
        for target in fields["targets"]:
            del target["calibration"]
        for name in ("ece", "trial_balanced_accuracy", "trial_interval", "reliability"):
            del fields["held_out"][0][name]

    message = refused(as_of_schema_1)
    assert message == (
        "found a contract of schema version 1, expected 3; export the model with the trainer of "
        "this release, or run the service of its release"
    )


def test_a_missing_schema_version_is_refused() -> None:
    assert "schema version None" in refused(lambda fields: fields.pop("schema_version"))


@pytest.mark.parametrize(
    "name",
    ["name", "version", "targets", "path", "normaliser", "label_policy", "trained_on", "held_out",
     "seeds", "code_version"],
)  # fmt: skip
def test_a_missing_field_is_refused_by_name(name: str) -> None:
    assert f"{name}: Field required" in refused(lambda fields: fields.pop(name))


@pytest.mark.parametrize("name", list(PathSettings.__dataclass_fields__))
def test_a_missing_setting_of_the_signal_path_is_refused_and_gets_no_default(name: str) -> None:
    assert f"path.{name}" in refused(lambda fields: fields["path"].pop(name))


@pytest.mark.parametrize("name", ["kind", "step_seconds", "order", "bands"])
def test_a_missing_setting_of_the_representation_is_refused_by_name(name: str) -> None:
    message = refused(lambda fields: fields["path"]["representation"].pop(name))
    assert f"path.representation.{name}" in message


@pytest.mark.parametrize("name", ["mean", "sd", "kind", "reference"])
def test_a_missing_part_of_the_normaliser_is_refused_by_name(name: str) -> None:
    message = refused(lambda fields: fields["normaliser"].pop(name))
    assert "normaliser." in message
    assert f".{name}" in message


@pytest.mark.parametrize("name", ["kind", "most_seconds", "least_seconds"])
def test_a_missing_part_of_the_rest_baseline_is_refused_by_name(name: str) -> None:
    message = refused(
        lambda fields: fields["normaliser"].pop(name), contract(normaliser=RestBaseline())
    )
    assert f"normaliser.{name}" in message


@pytest.mark.parametrize("name", list(ReliabilityBin.model_fields))
def test_a_missing_part_of_a_bin_is_refused_by_name(name: str) -> None:
    message = refused(lambda fields: fields["held_out"][0]["reliability"][1].pop(name))
    assert f"held_out.0.reliability.1.{name}: Field required" in message


@pytest.mark.parametrize(
    ("place", "name", "value", "said"),
    [
        (1, "windows", 959, "found reliability bins with 1919 windows, expected the 1920"),
        (1, "low", 0.3, "found reliability bins that overlap or fall"),
        (0, "low", 0.5, "found reliability bins that overlap or fall"),
        (0, "windows", 0, "greater than 0"),
        (0, "predicted", 1.1, "less than or equal to 1"),
    ],
)
def test_bins_that_contradict_the_result_are_refused(
    place: int, name: str, value: float, said: str
) -> None:
    def change(fields: Any) -> None:
        fields["held_out"][0]["reliability"][place][name] = value

    assert said in refused(change)


@pytest.mark.parametrize("name", list(HeldOut.model_fields))
def test_a_missing_part_of_a_result_is_refused_by_name(name: str) -> None:
    message = refused(lambda fields: fields["held_out"][0].pop(name))
    assert f"held_out.0.{name}: Field required" in message


@pytest.mark.parametrize(
    "place",
    [(), ("path",), ("path", "representation"), ("path", "representation", "bands", 2),
     ("normaliser",), ("targets", 0), ("targets", 0, "calibration"), ("label_policy",),
     ("trained_on",), ("held_out", 0)],
    ids=lambda place: ".".join(map(str, place)) or "top",
)  # fmt: skip
def test_an_unknown_field_is_refused_by_name(place: tuple[str | int, ...]) -> None:
    def add(fields: Any) -> None:
        for part in place:
            fields = fields[part]
        fields["surprise"] = 1

    assert "surprise" in refused(add)


@pytest.mark.parametrize("field", ["mean", "sd"])
def test_a_normaliser_of_another_width_is_refused(field: str) -> None:
    message = refused(lambda fields: fields["normaliser"][field].pop())
    assert "found a normaliser for" in message
    assert "expected 128" in message


@pytest.mark.parametrize("spread", [0.0, -1.0])
def test_a_normaliser_without_spread_is_refused(spread: float) -> None:
    message = refused(lambda fields: fields["normaliser"]["sd"].__setitem__(5, spread))
    assert "spread of 0, expected positive" in message


@pytest.mark.parametrize(
    "place",
    [("normaliser", "mean", 0), ("normaliser", "sd", 0), ("path", "sfreq"),
     ("path", "settle_seconds"), ("path", "notch_q"), ("held_out", 0, "auroc"),
     ("held_out", 0, "trial_interval", 0), ("targets", 0, "calibration", "temperature"),
     ("targets", 1, "calibration", "unsure", 0), ("targets", 1, "calibration", "ece_after")],
    ids=lambda place: ".".join(map(str, place)),
)  # fmt: skip
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_refused(place: tuple[str | int, ...], value: float) -> None:
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
def test_a_signal_path_that_cannot_be_is_refused(field: str, value: object, said: str) -> None:
    message = refused(lambda fields: fields["path"].update({field: value}))
    assert "contract is not valid" in message
    assert said in message


def test_steps_shorter_than_a_sample_are_refused() -> None:
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
) -> None:
    def put(fields: Fields) -> None:
        fields["path"][field] = value

    assert said in refused(put)


@pytest.mark.parametrize("names", [[], ["arousal", "arousal"]])
def test_targets_are_named_once_and_there_is_one(names: list[str]) -> None:
    message = refused(
        lambda fields: fields.update(targets=[fields["targets"][0] | {"name": n} for n in names])
    )
    assert f"found targets {names}, expected at least one, and each only once" in message


@pytest.mark.parametrize("name", ["joy", "mental_workload", "d2"])
def test_a_target_may_have_a_name_of_its_own(name: str) -> None:
    fields = json.loads(contract().to_json())
    fields["targets"][0]["name"] = name
    assert [target.name for target in parse_contract(json.dumps(fields)).targets] == [
        name,
        "valence",
    ]


@pytest.mark.parametrize("name", ["", "Joy", "2d", "_joy", "joy of life", "joy-", "jöy", "joy\n"])
def test_a_name_that_could_not_be_an_output_and_a_key_is_refused(name: str) -> None:
    assert "targets.0.name" in refused(lambda fields: fields["targets"][0].update(name=name))


def test_other_classes_are_refused() -> None:
    assert "targets.1.classes" in refused(
        lambda fields: fields["targets"][1].update(classes=["high", "low"])
    )


# Calibration


@pytest.mark.parametrize("name", list(Calibration.model_fields))
def test_a_missing_part_of_the_calibration_is_refused_by_name(name: str) -> None:
    message = refused(lambda fields: fields["targets"][1]["calibration"].pop(name))
    assert f"targets.1.calibration.{name}: Field required" in message


def test_a_target_without_a_calibration_is_refused() -> None:
    message = refused(lambda fields: fields["targets"][1].pop("calibration"))
    assert "targets.1.calibration: Field required" in message


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("temperature", 0.0, "temperature"),
        ("temperature", -1.0, "temperature"),
        ("temperature", "hot", "temperature"),
        ("unsure", [0.51, 0.6], "unsure.0"),
        ("unsure", [-0.01, 0.6], "unsure.0"),
        ("unsure", [0.4, 0.49], "unsure.1"),
        ("unsure", [0.4, 1.01], "unsure.1"),
        ("unsure", [0.6, 0.4], "unsure.0"),
        ("unsure", [0.4], "unsure.1"),
        ("unsure", [0.4, 0.5, 0.6], "unsure"),
        ("unsure", None, "unsure"),
        ("windows", 0, "windows"),
        ("people", 0, "people"),
        ("people", 1.5, "people"),
    ],
)
def test_a_calibration_that_cannot_be_is_refused_by_name(
    field: str, value: object, place: str
) -> None:
    message = refused(lambda fields: fields["targets"][0]["calibration"].update({field: value}))
    assert f"targets.0.calibration.{place}: " in message


def test_a_calibration_is_reported_with_what_it_was_chosen_on() -> None:
    assert CALIBRATION.describe() == (
        "temperature 1.25; calibration error 0.090 before and 0.040 after, on 960 windows of 2 "
        "validation people; unsure from 0.40 to 0.60"
    )
    never = CALIBRATION.model_copy(update={"unsure": (0.5, 0.5)})
    assert never.describe().endswith("; never unsure")


# Rest


def test_a_model_that_needs_rest_brings_no_normaliser_and_says_what_it_needs() -> None:
    ready, needy = contract(), contract(normaliser=RestBaseline())
    assert ready.training_normaliser == ready.normaliser
    assert ready.needs_rest is None
    assert needy.training_normaliser is None
    assert needy.needs_rest is not None
    assert needy.needs_rest.startswith("each person's own rest, 20 to 60 s of it; ")


@pytest.mark.parametrize("path", [PathSettings(), TANGENT])
def test_one_persons_normaliser_is_refused(path: PathSettings) -> None:
    message = refused(
        lambda fields: fields["normaliser"].update(kind="rest-baseline"), contract(path)
    )
    assert "found one person's normaliser, expected one of the training people" in message


def test_more_rest_at_least_than_at_most_is_refused() -> None:
    message = refused(
        lambda fields: fields["normaliser"].update(least_seconds=61),
        contract(normaliser=RestBaseline()),
    )
    assert "found a minimum of 61 s of rest and a maximum of 60 s" in message


@pytest.mark.parametrize("name", ["least_seconds", "most_seconds"])
def test_no_rest_at_all_is_refused(name: str) -> None:
    message = refused(
        lambda fields: fields["normaliser"].update({name: 0}), contract(normaliser=RestBaseline())
    )
    assert f"{name}: Input should be greater than 0" in message


def test_a_representation_that_rest_cannot_be_read_by_is_refused_before_a_headset_comes() -> None:
    coarse = PathSettings(channels=("Cz", "Pz", "Oz"), representation=Tangent(every=20))
    message = refused(lambda fields: None, contract(coarse, RestBaseline()))
    assert "the contract's signal path cannot be run: found windows of 4 rows" in message
    # Training people's statistics are not read from seconds, so there it is of no consequence.
    width = coarse.window_shape[1]
    many = Normaliser((0.0,) * width, (1.0,) * width, reference=REFERENCE)
    assert parse_contract(contract(coarse, many).to_json()).path == coarse


@pytest.mark.parametrize("reference", [[], [[1.0]] * 7, [list(REFERENCE[0])] * 6])
def test_a_reference_of_another_representation_is_refused_before_a_headset_comes(
    reference: list[list[float]],
) -> None:
    message = refused(
        lambda fields: fields["normaliser"].update(reference=reference), contract(TANGENT)
    )
    assert "the normaliser's reference does not fit this representation" in message


def test_all_problems_are_reported_at_once() -> None:
    def spoil(fields: Fields) -> None:
        del fields["name"]
        fields["trained_on"]["people"] = 0

    message = refused(spoil)
    assert "name: Field required" in message
    assert "trained_on.people" in message


def test_a_result_is_never_reported_without_its_protocol() -> None:
    reported = contract().held_out[0].describe()
    for part in (
        "balanced accuracy 0.720 (95 % 0.610-0.830) over 160 trials",
        "0.700 over",
        "AUROC 0.800",
        "calibration error 0.065",
        "people held out",
        "4 people",
    ):
        assert part in reported


def test_a_refusal_is_an_error_of_this_project() -> None:
    assert issubclass(ContractError, EegEmotionError)
