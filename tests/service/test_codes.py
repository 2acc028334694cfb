"""The codes of the wire: the same for ever, each with words for people."""

from __future__ import annotations

import json
import pickle

import pytest

from eeg_emotion.codes import FAULTS, Check, Code, Purpose, Reason, State, Trouble
from eeg_emotion.page import codes_module

# What clients go by; version 1 of the protocol may gain codes, and loses none.
ON_THE_WIRE: dict[type[Code], str] = {
    State: "connecting live stale lost quarantined",
    Reason: "warming_up gap stale channels_missing poor_contact unit_suspect out_of_range not_worn "
    "no_baseline overloaded",
    Trouble: "not_finite flat railed duplicate line_noise muscle movement drift amplitude",
    Check: "accepted interpolated quarantined",
    Purpose: "research medical safety demo workplace education",
}


EVERY_CODE = [code for kind in ON_THE_WIRE for code in kind]


@pytest.mark.parametrize("kind", ON_THE_WIRE)
def test_codes_stay_as_they_are_and_where_they_are(kind: type[Code]) -> None:
    # The bits of an LSL outlet and the columns of a verdict go by their order.
    assert [code.value for code in kind] == ON_THE_WIRE[kind].split()
    assert [str(code) for code in kind] == ON_THE_WIRE[kind].split()


@pytest.mark.parametrize("code", EVERY_CODE, ids=repr)
def test_a_code_has_words_and_survives_a_copy(code: Code) -> None:
    assert code.sentence
    assert pickle.loads(pickle.dumps(code)) is code
    if not isinstance(code, Trouble):
        for sentence in filter(None, (code.sentence, code.remedy)):
            assert sentence[0].isupper()
            assert sentence.endswith(".")


@pytest.mark.parametrize("trouble", Trouble, ids=str)
def test_an_electrodes_words_make_one_sentence_with_its_name(trouble: Trouble) -> None:
    assert trouble.remedy
    for words in (trouble.sentence, trouble.remedy):
        assert words[0].islower()
        assert not words.endswith(".")


@pytest.mark.parametrize("reason", Reason, ids=str)
def test_a_reason_has_a_remedy_and_a_few_words_for_a_list(reason: Reason) -> None:
    assert reason.remedy
    assert 0 < len(reason.brief) < 30
    assert reason.brief[0].islower()


@pytest.mark.parametrize("state", sorted(set(State) - {State.LIVE}), ids=str)
def test_every_state_but_live_has_a_remedy(state: State) -> None:
    assert state.remedy
    assert not State.LIVE.remedy


def test_faults_are_the_reasons_that_the_signal_itself_gives() -> None:
    others = {Reason.WARMING_UP, Reason.GAP, Reason.STALE, Reason.NO_BASELINE, Reason.OVERLOADED}
    assert set(FAULTS) == set(Reason) - others
    assert len(FAULTS) == len(set(FAULTS))


def test_the_page_is_given_every_code_with_its_words() -> None:
    text = codes_module()
    start, end = "export const CODES = ", ";\n"
    assert text.startswith(start)
    assert text.endswith(end)
    given = json.loads(text.removeprefix(start).removesuffix(end))
    assert set(given) == {"state", "reason", "trouble", "check", "purpose"}
    assert [code for codes in given.values() for code in codes] == [*map(str, EVERY_CODE)]
    assert given["reason"]["gap"] == {
        "sentence": Reason.GAP.sentence,
        "remedy": Reason.GAP.remedy,
        "brief": Reason.GAP.brief,
    }
