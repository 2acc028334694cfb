"""Alarms on windows with planted scores, so that it is known when they must be raised."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.support.messages import prediction

from eeg_emotion.alarms.rules.rule import Rules
from eeg_emotion.alarms.what_if import Outcome, what_if
from eeg_emotion.alarms.what_if_plot import PlotError, write_plot
from eeg_emotion.codes import Reason
from eeg_emotion.publish.messages import Prediction, Score, WindowSpan

EXCITED = {
    "name": "excited",
    "text": "Excited.",
    "severity": "warning",
    "when": [{"of": "arousal", "above": 0.7, "until": 0.5}],
    "dwell_seconds": 10,
    "release_seconds": 5,
}


def window(end: float, arousal: float | None) -> Prediction:
    span = WindowSpan(start=end - 5, end=end)
    if arousal is None:
        nothing = Score(probability=None, label=None)
        return prediction(
            "p", int(end), window=span, valid=False, reasons=(Reason.GAP,),
            arousal=nothing, valence=nothing,
        )  # fmt: skip
    score = Score(probability=arousal, label="high" if arousal > 0.5 else "low")
    return prediction("p", int(end), window=span, arousal=score)


def judged(levels: dict[range, float | None], **changes: Any) -> Outcome:
    """Evaluate one window per second; `levels` maps ranges of seconds to arousal."""
    windows = [window(float(t), level) for times, level in levels.items() for t in times]
    return what_if(Rules.model_validate({"rule": [EXCITED | changes]}), "p", 128.0, windows)


def test_an_alarm_is_raised_after_its_dwell_and_cleared_after_its_release() -> None:
    outcome = judged({range(5, 20): 0.2, range(20, 60): 0.9, range(60, 90): 0.3})
    (raised,) = outcome.raised
    assert (raised.at, raised.cleared) == (30.0, 65.0)
    assert raised.seen is not None
    assert raised.seen.window.end == 30.0
    (tally,) = outcome.tallies
    assert (tally.held, tally.did_not, tally.unknown) == (40, 45, 0)
    assert tally.longest_dwell_seconds == 10.0


def test_a_dwell_that_is_too_short_raises_nothing_and_is_reported() -> None:
    outcome = judged({range(5, 20): 0.2, range(20, 28): 0.9, range(28, 60): 0.3})
    assert outcome.raised == []
    assert outcome.tallies[0].longest_dwell_seconds == 7.0


def test_an_alarm_raised_at_the_end_is_not_cleared_and_silence_clears_none() -> None:
    outcome = judged({range(5, 40): 0.9, range(40, 100): None})
    assert [(raised.at, raised.cleared) for raised in outcome.raised] == [(15.0, None)]
    assert outcome.tallies[0].unknown == 60


def test_a_rule_for_other_headsets_has_no_tally() -> None:
    assert judged({range(5, 40): 0.9}, headsets=["ward-*"]).tallies == []


def test_the_plot_has_gaps_where_there_is_no_score_and_asks_for_nothing_outside(
    tmp_path: Path,
) -> None:
    outcome = judged({range(5, 40): 0.9, range(40, 45): None, range(45, 60): 0.2})
    write_plot(outcome, "What if", tmp_path / "plot.html")
    page = (tmp_path / "plot.html").read_text(encoding="utf-8")
    assert not re.findall(r"""<(?:script|link|img|iframe)[^>]*(?:src|href)=["']?http""", page)
    drawn = page.rpartition("Plotly.newPlot(")[2]
    data, _ = json.JSONDecoder().raw_decode(drawn, drawn.index("["))
    arousal = next(trace for trace in data if trace["name"] == "arousal")
    assert arousal["y"] == [0.9] * 35 + [None] * 5 + [0.2] * 15
    assert arousal["connectgaps"] is False
    assert "excited, warning" in page
    assert "excited: arousal \\u003e 0.7" in page
    assert [file.name for file in tmp_path.iterdir()] == ["plot.html"]


def test_a_plot_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "plot.html").mkdir()
    with pytest.raises(PlotError, match=r"name another file with --plot"):
        write_plot(judged({range(5, 9): 0.9}), "What if", tmp_path / "plot.html")
    assert [file.name for file in tmp_path.iterdir()] == ["plot.html"]
