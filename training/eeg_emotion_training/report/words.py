"""What a study found, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from eeg_emotion_training.evaluation.protocols import PROTOCOLS
from eeg_emotion_training.evaluation.significance import least_p
from eeg_emotion_training.networks.names import NETWORKS
from eeg_emotion_training.report.cells import NAMES, interval, label, p_value
from eeg_emotion_training.report.markdown import listed, plain
from eeg_emotion_training.report.rows import (
    BALANCED,
    Key,
    Leak,
    Row,
    Significance,
    paired,
    varying,
)
from eeg_emotion_training.study.plan import StudyRecord
from eeg_emotion_training.study.results import Result

_LEVEL = 0.05
_SHOWN = 6  # comparisons in a sentence; more are in the tables only
_PREFERRED = ("bn-gru", *NETWORKS)  # the paper's own network speaks for all where it ran
_TRANSDUCTIVE = (
    "Rows normalised by a rest baseline are transductive: they use the test person's own rest, "
    "though no label and no scored window."
)
_EXPECTED = (
    "What to expect on DEAP itself: near 85 % under the paper's protocol, which leaks, and from "
    "near chance to the low sixties under honest ones."
)


def words(
    record: StudyRecord,
    results: Sequence[Result],
    rows: Sequence[Row],
    tests: Mapping[Key, Significance],
    found: Sequence[Leak],
) -> str:
    """Return what was found, a sentence each, as a list."""
    honest = [row for row in rows if not (PROTOCOLS[row.key.protocol].leaks or row.key.constant)]
    sentences = [
        _which_leak(record, rows),
        *_how_much(found),
        _above_chance(honest, tests),
        *_best(record, honest),
        *_beside_linear(honest),
        *_calibration(honest),
        _counted(record, results),
    ]
    if "rest-baseline" in record.settings.normalisers:
        sentences.append(_TRANSDUCTIVE)
    if "DEAP" in record.dataset:
        sentences.append(_EXPECTED)
    return "\n".join(f"- {plain(sentence)}" for sentence in sentences)


def _which_leak(record: StudyRecord, rows: Sequence[Row]) -> str:
    shares: dict[bool, list[str]] = {True: [], False: []}
    for protocol in record.settings.protocols:
        of = [row for row in rows if row.key.protocol == protocol]
        shown = "nothing could be run"
        if of:
            weights = [row.windows.windows for row in of]
            share = np.average([row.leak_share for row in of], weights=weights)
            shown = f"{100 * share:.1f} %"
        shares[PROTOCOLS[protocol].leaks].append(f"{protocol} ({shown})")
    leaky, honest = shares[True], shares[False]
    first = f"Leaky: {listed(leaky)}. " if leaky else "No protocol of this study leaks. "
    second = f"Honest: {listed(honest)}. " if honest else "No honest protocol was run. "
    return (
        f"{first}{second}In brackets the share of test windows of whose trial other windows were "
        "trained on."
    )


def _how_much(found: Sequence[Leak]) -> Iterable[str]:
    groups: dict[str, list[Leak]] = {}
    for leak in found:
        groups.setdefault(leak.key.protocol, []).append(leak)
    for protocol, of in groups.items():
        parts = []
        for target in dict.fromkeys(leak.key.target for leak in of):
            ranked = sorted(
                (leak for leak in of if leak.key.target == target),
                key=lambda k: k.accuracy.difference.value,
            )
            ends = [
                f"{interval(k.accuracy.difference, '+')} ({NAMES[k.key.network]})" for k in ranked
            ]
            span = ends[0] if len(ends) == 1 else f"between {ends[0]} and {ends[-1]}"
            parts.append(f"for {target} {span}")
        yield (
            f"The accuracy over windows under {protocol} minus that under trial, of the same "
            f"people and models, is {'; '.join(parts)}. In brackets 95 % intervals, bootstrap "
            "over people."
        )


def _above_chance(honest: Sequence[Row], tests: Mapping[Key, Significance]) -> str:
    if not honest:
        return "No model was run under an honest protocol: nothing here is evidence of emotion."
    columns = varying(honest)
    these = {row.key: tests[row.key] for row in honest}
    passed = [
        f"{label(key, columns)} ({key.protocol}, {key.target}; p = {p_value(test.holm)})"
        for key, test in these.items()
        if test.holm < _LEVEL
    ]
    over_majority = sum(test.holm_majority < _LEVEL for test in these.values())
    shown = f"{'; '.join(passed[:3])}{'; and others' if len(passed) > 3 else ''}"
    first = (
        f"Under honest protocols {len(passed) or 'none'} of {len(these)} results "
        f"{'is' if len(passed) < 2 else 'are'} above chance in balanced accuracy over trials at "
        f"5 % after Holm within each protocol{f': {shown}' if passed else ''}; in accuracy over "
        f"the person's own majority {over_majority or 'none'}."
    )
    people = max(test.people for test in these.values())
    rows = max(
        sum(row.key.protocol == name for row in honest)
        for name in {row.key.protocol for row in honest}
    )
    if not people:
        return f"{first} No one has trials of both classes, so nothing can be tested."
    if people == 1:
        return f"{first} A test over people needs several of them: one person can show nothing."
    least = least_p(people)
    sentence = (
        f"The smallest p that {people} people can reach is {p_value(least)}, and after Holm over "
        f"{rows} results {p_value(min(1.0, least * rows))}"
    )
    if least > _LEVEL:
        sentence += ": so few people can show nothing at 5 %, whatever the network"
    elif least * rows > _LEVEL:
        sentence += ": so few people can show nothing at 5 % when so many results are compared"
    return f"{first} {sentence}."


def _best(record: StudyRecord, honest: Sequence[Row]) -> Iterable[str]:
    columns = varying(honest)
    parts = []
    for protocol in record.settings.protocols:
        for target in record.settings.targets:
            of = [
                (row, row.trials.scores[BALANCED])
                for row in honest
                if row.key[:2] == (protocol, target)
                and np.isfinite(row.trials.scores[BALANCED].value)
            ]
            if len(of) < 2:
                continue
            best, score = max(of, key=lambda pair: pair[1].value)
            others = [other for row, other in of if row is not best]
            overlap = sum(not other.high < score.low for other in others)
            chance = "; its interval holds chance" if score.low <= 0.5 <= score.high else ""
            parts.append(
                f"{protocol}, {target}: {label(best.key, columns)} {interval(score)}, whose "
                f"interval overlaps with {overlap} of the {len(others)} others'{chance}"
            )
    if parts:
        yield (
            f"The highest balanced accuracy over trials, chosen among all models, under "
            f"{'; '.join(parts)}."
        )


def _beside_linear(honest: Sequence[Row]) -> Iterable[str]:
    """Compare a network with the linear model on the same input; the reader looks for that."""
    by_key = {row.key: row for row in honest}
    networks = [name for name in _PREFERRED if any(key.network == name for key in by_key)]
    pairs = [
        (key, paired(row.trial_scaled, by_key[linear].trial_scaled, BALANCED))
        for key, row in by_key.items()
        if key.network in networks[:1] and (linear := key._replace(network="logistic")) in by_key
    ]
    if not pairs:
        return
    columns = varying(honest)
    shown = "; ".join(
        ", ".join([key.protocol, key.target, *(getattr(key, name) for name in columns)])
        + f" {interval(pair.difference, '+')}"
        for key, pair in pairs[:_SHOWN]
    )
    ahead = sum(pair.difference.low > 0 for _, pair in pairs)
    behind = sum(pair.difference.high < 0 for _, pair in pairs)
    yield (
        f"{NAMES[networks[0]]} minus the logistic regression on the same input, balanced accuracy "
        f"over trials, paired by person: {shown}{'; and others' if len(pairs) > _SHOWN else ''}. "
        f"The network is ahead beyond its interval in {ahead} of {len(pairs)}, the linear model in "
        f"{behind}."
    )


def _calibration(honest: Sequence[Row]) -> Iterable[str]:
    of = [row for row in honest if row.key.network in NETWORKS]
    if not of:
        return
    before = np.array([row.raw_ece for row in of])
    after = np.array([row.windows.scores["ece"].value for row in of])
    yield (
        f"Under honest protocols temperature scaling moved the networks' calibration error (ECE, "
        f"windows) from {before.mean():.3f} to {after.mean():.3f} on average; it fell for "
        f"{(after < before).sum()} of {len(of)} results."
    )


def _counted(record: StudyRecord, results: Sequence[Result]) -> str:
    skips = sum(result.record.status == "skipped" for result in results)
    if not skips and not record.left_out:
        return (
            f"All {len(results)} runs (one model, one fold) were done; nothing was skipped or left "
            "out."
        )
    cases = "1 case" if len(record.left_out) == 1 else f"{len(record.left_out)} cases"
    return (
        f"{skips} of {len(results)} runs (one model, one fold) were skipped and {cases} left out, "
        "for the reasons at the end; the trials of skipped folds are missing from the tables."
    )
