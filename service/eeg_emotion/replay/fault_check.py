"""Checks that faults can happen to a recording, before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.eeg.montage import normalise_labels
from eeg_emotion.eeg.units import microvolts_per
from eeg_emotion.replay.actions import Form
from eeg_emotion.replay.faults import (
    TOLERANCE_SECONDS,
    ChannelFault,
    Drop,
    Fault,
    FaultError,
    Flat,
    Freeze,
    Kill,
    LineNoise,
    Nan,
    Rate,
    SwapChannels,
    Volts,
)
from eeg_emotion.replay.rate_changes import HIGHEST_SFREQ, LOWEST_SFREQ


def reconnects(fault: Fault) -> bool:
    """Return whether the outlet closes with this fault."""
    return isinstance(fault, (Kill, SwapChannels)) or (
        isinstance(fault, (Volts, Rate)) and not fault.silently
    )


def affected(form: Form, fault: ChannelFault) -> NDArray[np.intp]:
    """Return the indices of the channels that a fault names.

    Raises
    ------
    FaultError
        If a channel does not exist, or noise in microvolts is requested for one that is not a
        voltage.
    """
    voltages = [microvolts_per(unit) is not None for unit in form.units]
    noise = isinstance(fault, LineNoise)
    if fault.labels is None:
        found = [number for number, voltage in enumerate(voltages) if voltage or not noise]
        if not found:
            raise FaultError(_no_voltage(form, fault))
        return np.array(found)
    labels = normalise_labels(form.channels)
    for label in fault.labels:
        if label not in labels:
            raise FaultError(
                f"fault {fault.text!r}: found the channel {label!r}, expected one or more of: "
                f"{', '.join(form.channels)}"
            )
    found = [number for number, label in enumerate(labels) if label in fault.labels]
    if noise and not all(voltages[number] for number in found):
        raise FaultError(_no_voltage(form, fault))
    return np.array(found)


def check(form: Form, faults: Sequence[Fault], reconnect_seconds: float) -> None:
    """Check faults, in order of time, against a recording and each other.

    Faults after a ``kill`` without end are not checked.

    Raises
    ------
    FaultError
        If one cannot happen, would change nothing, or contradicts another one that overlaps it.
    """
    stated_sfreq = true_sfreq = form.sfreq
    units = {unit for unit in form.units if microvolts_per(unit) is not None}
    stated_volts = true_volts = {microvolts_per(unit) for unit in units} == {1e6}
    busy: Fault | None = None
    free = 0.0
    silenced: list[Nan | Flat] = []
    for fault in faults:
        if isinstance(fault, ChannelFault):
            affected(form, fault)
        if isinstance(fault, (Drop, Freeze)) or reconnects(fault):
            if (
                busy is not None
                and fault.at < free - TOLERANCE_SECONDS
                and not (reconnects(busy) and reconnects(fault) and busy.at == fault.at)
            ):
                raise FaultError(
                    f"fault {fault.text!r}: found {busy.text!r} under way until {free:g} s (a "
                    f"headset that reconnects is away for {reconnect_seconds:g} s of signal), "
                    f"expected it to begin then or later; write @{free:g}"
                )
            end = (
                fault.end
                if isinstance(fault, (Drop, Freeze, Kill))
                else fault.at + reconnect_seconds
            )
            if end == inf:
                return
            busy, free = fault, max(free, end)
        match fault:
            case SwapChannels() if len(form.channels) < 2:
                raise FaultError(
                    f"fault {fault.text!r}: found one channel, expected several; leave it out"
                )
            case Volts(silently=silently):
                if not units:
                    raise FaultError(_no_voltage(form, fault))
                if true_volts and (silently or stated_volts):
                    raise FaultError(
                        f"fault {fault.text!r}: found volts already, expected another unit before "
                        "it; leave the fault out"
                    )
                true_volts, stated_volts = True, stated_volts or not silently
            case Rate(sfreq=sfreq, silently=silently):
                if not LOWEST_SFREQ <= sfreq <= HIGHEST_SFREQ:
                    raise FaultError(
                        f"fault {fault.text!r}: found {sfreq:g} Hz, expected {LOWEST_SFREQ:g} to "
                        f"{HIGHEST_SFREQ:g} Hz"
                    )
                if sfreq == true_sfreq and (silently or sfreq == stated_sfreq):
                    raise FaultError(
                        f"fault {fault.text!r}: found {sfreq:g} Hz already, expected another rate "
                        "before it; leave it out"
                    )
                true_sfreq, stated_sfreq = sfreq, stated_sfreq if silently else sfreq
            case LineNoise(hertz=hertz) if hertz >= true_sfreq / 2:
                raise FaultError(
                    f"fault {fault.text!r}: found {hertz:g} Hz at {true_sfreq:g} samples a second, "
                    f"expected less than {true_sfreq / 2:g} Hz"
                )
            case Nan() | Flat():
                for other in silenced:
                    shared = np.intersect1d(affected(form, fault), affected(form, other))
                    if fault.at < other.end - TOLERANCE_SECONDS and shared.size:
                        raise FaultError(
                            f"fault {fault.text!r}: found {form.channels[shared[0]]} under "
                            f"{other.text!r} at that time, expected one of them; state a duration "
                            "for the first, or name other channels"
                        )
                silenced.append(fault)


def _no_voltage(form: Form, fault: Fault) -> str:
    found = ", ".join(sorted({unit or "none" for unit in form.units}))
    return (
        f"fault {fault.text!r}: found channels without a unit of voltage (units: {found}), "
        "expected one such as µV; name channels that have one, or leave the fault out"
    )
