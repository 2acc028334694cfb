"""The plot of `what-if`: one self-contained HTML file."""

from __future__ import annotations

from pathlib import Path

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from eeg_emotion.alarms.rules.condition import Level
from eeg_emotion.alarms.what_if import Outcome
from eeg_emotion.atomic_write import atomic_write
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.publish.alarms import Severity
from eeg_emotion.publish.messages import Prediction

# Okabe and Ito's palette, distinguishable with any colour vision.
_COLOURS = {"arousal": "#D55E00", "valence": "#0072B2", "quality": "#666666"}
_SHADES = {Severity.INFO: "#56B4E9", Severity.WARNING: "#E69F00", Severity.CRITICAL: "#CC79A7"}


class PlotError(EegEmotionError):
    """The plot cannot be written."""


def write_plot(outcome: Outcome, title: str, file: Path) -> None:
    """Plot the windows and alarms, and write the file completely or not at all.

    Raises
    ------
    PlotError
        If the file cannot be written.
    """
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, row_heights=[0.8, 0.2], vertical_spacing=0.06
    )
    for name in ("arousal", "valence"):
        _curve(figure, outcome, name)
    _quality(figure, outcome)
    _levels(figure, outcome)
    _alarms(figure, outcome)
    figure.update_layout(title=title, template="plotly_white", height=620, hovermode="x unified")
    figure.update_yaxes(title_text='probability of "high"', range=[0, 1], row=1, col=1)
    figure.update_yaxes(title_text="quality", range=[0, 1], row=2, col=1)
    figure.update_xaxes(title_text="seconds since the first sample", row=2, col=1)
    page = figure.to_html(
        include_plotlyjs=True, include_mathjax=False, config={"displaylogo": False}
    )
    try:
        with atomic_write(file) as whole:
            whole.write(page.encode())
    except OSError as error:
        raise PlotError(
            f"cannot write the plot {file}: {error.strerror}; name another file with --plot"
        ) from error


def _curve(figure: go.Figure, outcome: Outcome, name: str) -> None:
    x: list[float] = []
    y: list[float | None] = []
    words: list[str] = []
    for window in outcome.windows:
        score = window.arousal if name == "arousal" else window.valence
        x.append(window.window.end)
        # A window without a score is a gap in the curve.
        y.append(score.probability)
        words.append(_words(window))
    figure.add_trace(
        go.Scatter(
            x=x, y=y, text=words, name=name, mode="lines+markers", connectgaps=False,
            line={"color": _COLOURS[name], "dash": "solid" if name == "arousal" else "dot"},
            marker={"size": 4}, hovertemplate="%{y:.2f} %{text}",
        ),
        row=1, col=1,
    )  # fmt: skip


def _words(window: Prediction) -> str:
    return ", ".join(window.reasons)


def _quality(figure: go.Figure, outcome: Outcome) -> None:
    scored = {True: "scored", False: "no score"}
    for valid, symbol in ((True, "circle"), (False, "x")):
        windows = [window for window in outcome.windows if window.valid is valid]
        figure.add_trace(
            go.Scatter(
                x=[window.window.end for window in windows],
                y=[window.quality for window in windows],
                text=[_words(window) for window in windows],
                name=f"quality, {scored[valid]}", mode="markers",
                marker={"symbol": symbol, "size": 5, "color": _COLOURS["quality"]},
                hovertemplate="%{y:.2f} %{text}",
            ),
            row=2, col=1,
        )  # fmt: skip


def _levels(figure: go.Figure, outcome: Outcome) -> None:
    """Draw the levels at which the rules' conditions begin to hold."""
    for tally in outcome.tallies:
        for condition in tally.rule.when:
            if isinstance(condition, Level):
                sign, level = (">", condition.above) if condition.below is None else (
                    "<", condition.below,
                )  # fmt: skip
                figure.add_hline(
                    y=level, row=2 if condition.of == "quality" else 1, col=1,
                    line={"color": _COLOURS[condition.of], "width": 1, "dash": "dash"},
                    annotation={"text": f"{tally.rule.name}: {condition.of} {sign} {level:g}",
                                "font": {"size": 10}},
                )  # fmt: skip


def _alarms(figure: go.Figure, outcome: Outcome) -> None:
    end = outcome.windows[-1].window.end if outcome.windows else 0.0
    for raised in outcome.raised:
        open_end = " (still raised)" if raised.cleared is None else ""
        figure.add_vrect(
            x0=raised.at, x1=end if raised.cleared is None else raised.cleared, row=1, col=1,
            fillcolor=_SHADES[raised.rule.severity], opacity=0.25, line_width=1,
            annotation_text=f"{raised.rule.name}, {raised.rule.severity}{open_end}",
            annotation_position="top left",
        )  # fmt: skip
