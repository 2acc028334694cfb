"""The report's figures, as SVG text: the same results make the same bytes."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np

from eeg_emotion_training.evaluation.calibration import reliability
from eeg_emotion_training.evaluation.protocols import PROTOCOLS
from eeg_emotion_training.evaluation.scores import per_person
from eeg_emotion_training.networks.names import CONSTANT, NETWORKS
from eeg_emotion_training.report.cells import NAMES, interval, label, number
from eeg_emotion_training.report.drawing import LOOKS, STYLE, Plot, legend, panels, plot
from eeg_emotion_training.report.rows import BALANCED, VARIANT, Row, varying


def side_by_side(rows: Sequence[Row]) -> Plot:
    """Show the accuracy over windows of every protocol beside the others'."""
    with mpl.rc_context(STYLE):
        shown = _first_variants(rows)
        targets, protocols = _names(shown, "target"), _names(shown, "protocol")
        figure, made = panels(targets, width=1.5 + 1.3 * len(protocols), height=4.2)
        models = [name for name in _names(shown, "network") if name not in CONSTANT]
        lowest = 0.4
        for target, axes in zip(targets, made, strict=True):
            for place, protocol in enumerate(protocols):
                if PROTOCOLS[protocol].leaks:
                    axes.axvspan(
                        place - 0.5, place + 0.5, fc="#f0f0f0", ec="#cfcfcf", lw=0, hatch="//"
                    )
                for row in _of(shown, protocol, target):
                    accuracy = row.windows.scores["accuracy"]
                    if row.key.constant:
                        continue
                    colour, mark = LOOKS[row.key.network]
                    turn = (models.index(row.key.network) + 0.5) / len(models) - 0.5
                    x = place + 0.7 * turn
                    axes.vlines(x, accuracy.low, accuracy.high, color=colour)
                    # The interval's ends show where it is narrower than the mark.
                    ends = [accuracy.low, accuracy.high]
                    axes.plot([x, x], ends, "_", color=colour, ms=9)
                    name = NAMES[row.key.network]
                    axes.plot(x, accuracy.value, mark, color=colour, ms=4, label=name)
                    lowest = min(lowest, accuracy.low)
                majority = _of(shown, protocol, target)
                if majority:
                    level = majority[0].windows.majority_accuracy
                    name = "person's own majority"
                    axes.hlines(level, place - 0.45, place + 0.45, color="k", ls="--", label=name)
            leaky = [PROTOCOLS[protocol].leaks for protocol in protocols]
            ticks = [
                f"{p}\n(leaky)" if leaks else p for p, leaks in zip(protocols, leaky, strict=True)
            ]
            axes.set_xticks(range(len(protocols)), ticks)
            axes.set_xlim(-0.5, len(protocols) - 0.5)
            axes.set_xlabel("protocol")
            axes.set_ylabel("accuracy (share of windows)")
        for axes in made:
            axes.set_ylim(lowest - 0.02, 1.02)
        legend(figure, made)
        described = "; ".join(
            f"{row.key.target}, {row.key.protocol}{_leaky(row.key.protocol)}, "
            f"{NAMES[row.key.network]}: {interval(row.windows.scores['accuracy'])}"
            for row in shown
            if not row.key.constant
        )
        return plot(
            figure,
            "protocols",
            f"Accuracy over windows by protocol. {described}.",
            "Accuracy over windows under every protocol, mean over people with the 95 % bootstrap "
            "over trials. Hatched: leaky. Dashed: the mean accuracy of always guessing the "
            "person's own larger class. The axis does not begin at 0." + _only_first(rows, shown),
        )


def spread(rows: Sequence[Row], protocol: str) -> Plot | None:
    """Show each person's balanced accuracy over trials, by model."""
    shown = [row for row in rows if row.key.protocol == protocol and not row.key.constant]
    if not shown:
        return None
    with mpl.rc_context(STYLE):
        targets, columns = _names(shown, "target"), varying(shown)
        labels = list(dict.fromkeys(label(row.key, columns) for row in shown))
        figure, made = panels(targets, width=5.0, height=1.3 + 0.34 * len(labels))
        described = []
        for target, axes in zip(targets, made, strict=True):
            axes.axvline(0.5, color="k", ls="--", lw=1)
            for row in _of(shown, protocol, target):
                people = per_person(row.trial_scaled).values()
                values = np.array([scores[BALANCED] for scores in people])
                values = values[np.isfinite(values)]
                if not len(values):
                    continue
                y = labels.index(label(row.key, columns))
                colour, _ = LOOKS[row.key.network]
                quarter, middle, three_quarters = np.percentile(values, (25, 50, 75))
                axes.hlines(y, quarter, three_quarters, color=colour, lw=9, alpha=0.3)
                axes.vlines(middle, y - 0.3, y + 0.3, color=colour, lw=2)
                # People of equal values lie beside each other; the shift means nothing.
                shift = 0.22 * np.sin(np.arange(len(values)) * 2.4)
                axes.plot(values, y + shift, "o", color=colour, ms=3, mec="w", mew=0.3)
                described.append(
                    f"{target}, {label(row.key, columns)}: median {number(middle)}, lowest "
                    f"{number(values.min())}, highest {number(values.max())}"
                )
            axes.set_yticks(range(len(labels)), labels if axes is made[0] else [""] * len(labels))
            axes.set_ylim(len(labels) - 0.5, -0.5)
            axes.set_xlim(-0.02, 1.02)
            axes.set_xlabel("balanced accuracy over the person's trials (0 to 1)")
        return plot(
            figure,
            f"people-{protocol}",
            f"Each person's balanced accuracy under {protocol}{_leaky(protocol)}. "
            f"{'; '.join(described)}.",
            f"Under {protocol}{_leaky(protocol)}: one dot a person, the bar from the first to the "
            "third quartile, the stroke at the median, the dashed line at chance.",
        )


def calibration(rows: Sequence[Row], protocol: str) -> Plot | None:
    """Show how far probabilities of high can be believed, before and after temperature scaling."""
    best: dict[str, Row] = {}
    for row in rows:
        key = row.key
        value = row.trials.scores[BALANCED].value
        if key.protocol == protocol and key.network in NETWORKS and np.isfinite(value):
            held = best.get(key.target)
            if held is None or value > held.trials.scores[BALANCED].value:
                best[key.target] = row
    if not best:
        return None
    with mpl.rc_context(STYLE):
        figure, made = panels(list(best), width=3.6, height=3.6)
        columns = varying(rows)
        described = []
        for axes, (target, row) in zip(made, best.items(), strict=True):
            axes.plot([0, 1], [0, 1], color="k", ls="--", lw=1, label="as it should be")
            sets = [("before scaling" if row.calibrated else "not scaled", row.raw, "#D55E00", "s")]
            errors = f"calibration error {number(row.raw_ece)}"
            if row.calibrated:
                sets.append(("after scaling", row.scaled, "#0072B2", "o"))
                errors += f" before and {number(row.windows.scores['ece'].value)} after scaling"
            for name, set_, colour, mark in sets:
                probability, share, counts = reliability(set_.probability, set_.high)
                axes.plot(probability, share, color=colour, lw=1, marker=mark, ms=3, label=name)
                axes.scatter(
                    probability,
                    share,
                    s=250 * counts / counts.sum(),
                    color=colour,
                    marker=mark,
                    alpha=0.35,
                    lw=0,
                )
            name = label(row.key, columns)
            axes.set_title(f"{target}: {name}")
            axes.set_xlim(-0.02, 1.02)
            axes.set_ylim(-0.02, 1.02)
            axes.set_aspect("equal")
            axes.set_xlabel("mean probability of high (0 to 1)")
            axes.set_ylabel("share of windows that are high")
            described.append(f"{target}, {name}: {errors}")
        legend(figure, made)
        return plot(
            figure,
            f"calibration-{protocol}",
            f"Reliability diagram under {protocol}{_leaky(protocol)}. {'; '.join(described)}.",
            f"Under {protocol}{_leaky(protocol)}: windows of all people in ten bins; the larger "
            "the mark, the more windows. Of each target the recurrent network with the highest "
            "balanced accuracy over trials: chosen by the test, so it flatters."
            + (
                ""
                if PROTOCOLS[protocol].validation_apart
                else " Not scaled: this protocol has no validation part to fit a temperature to."
            ),
        )


def curves(rows: Sequence[Row], protocol: str) -> Plot | None:
    """Show how training went, mean over the folds that reached each step."""
    shown = [
        row
        for row in _first_variants(rows)
        if row.key.protocol == protocol and any(fold.record.curve for fold in row.folds)
    ]
    if not shown:
        return None
    follows_test = not PROTOCOLS[protocol].validation_apart
    held_out, unit = ("test", "accuracy") if follows_test else ("validation", "loss")
    with mpl.rc_context(STYLE):
        targets = _names(shown, "target")
        figure, made = panels(targets, width=4.6, height=3.2)
        described = []
        for target, axes in zip(targets, made, strict=True):
            for row in _of(shown, protocol, target):
                colour, mark = LOOKS[row.key.network]
                for part, style in ((held_out, "-"), ("training", ":")):
                    steps, values = _mean_curve(row, f"{part}_{unit}")
                    name = f"{NAMES[row.key.network]}, {part}"
                    axes.plot(
                        steps,
                        values,
                        style,
                        color=colour,
                        marker=mark,
                        ms=3,
                        markevery=max(1, len(steps) // 8),
                        label=name,
                    )
                    described.append(
                        f"{target}, {name}: {unit} {number(values[-1])} at {steps[-1]}"
                    )
            axes.set_xlabel("optimiser step")
            axes.set_ylabel("accuracy (share of windows)" if follows_test else "log loss (nats)")
        legend(figure, made)
        return plot(
            figure,
            f"curves-{protocol}",
            f"Learning curves under {protocol}{_leaky(protocol)}, at the last step: "
            f"{'; '.join(described)}.",
            f"Under {protocol}{_leaky(protocol)}: mean over the folds that reached each step. "
            + (
                "The test windows are followed and choose nothing. "
                if follows_test
                else "Training ends early where the validation loss stops falling, so late steps "
                "are means of fewer folds. "
            )
            + "Training windows: 512 drawn once."
            + _only_first(rows, shown),
        )


def _mean_curve(row: Row, what: str) -> tuple[list[int], list[float]]:
    by_step: dict[int, list[float]] = {}
    for fold in row.folds:
        for point in fold.record.curve:
            value = getattr(point, what)
            if value is not None:
                by_step.setdefault(point.step, []).append(value)
    steps = sorted(by_step)
    return steps, [float(np.mean(by_step[step])) for step in steps]


def _first_variants(rows: Sequence[Row]) -> list[Row]:
    """Keep one row for each protocol, target and network: a figure of all would be a thicket."""
    first: dict[tuple[str, ...], Row] = {}
    for row in rows:
        first.setdefault(row.key[:3], row)
    return list(first.values())


def _only_first(rows: Sequence[Row], shown: Sequence[Row]) -> str:
    if not varying(rows):
        return ""
    names = dict.fromkeys(label(row.key, VARIANT) for row in shown if not row.key.constant)
    return f" Of the variants only the first is shown: {'; '.join(names)}."


def _of(rows: Sequence[Row], protocol: str, target: str) -> list[Row]:
    return [row for row in rows if row.key[:2] == (protocol, target)]


def _names(rows: Sequence[Row], field: str) -> list[str]:
    return list(dict.fromkeys(getattr(row.key, field) for row in rows))


def _leaky(protocol: str) -> str:
    return " (leaky)" if PROTOCOLS[protocol].leaks else ""
