"""Injects faults into a signal: plans what is sent when; the replayer sends it.

All times are seconds of signal since the replay began, whatever its speed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.eeg.units import microvolts_per
from eeg_emotion.replay.actions import Action, Connect, Disconnect, Form, Send, TimedMarker
from eeg_emotion.replay.fault_check import affected, check, reconnects
from eeg_emotion.replay.faults import (
    TOLERANCE_SECONDS,
    ChannelFault,
    ClockJump,
    Drop,
    Fault,
    Flat,
    Freeze,
    Kill,
    LineNoise,
    Nan,
    Rate,
    SwapChannels,
    UnixTime,
    Volts,
)
from eeg_emotion.replay.rate_changes import Piece, RateChanges

_SWAP_SEED = 20  # arbitrary: the order is the same each time


@dataclass(frozen=True, slots=True)
class _Outage:
    """When the headset stops sending, when its outlet closes, and when it is back."""

    at: float
    closing: float
    end: float


class Injector:
    """The faults of one replay.

    Parameters
    ----------
    form
        The recording's metadata.
    faults
        The faults, in order of time.
    reconnect_seconds
        How long a reconnecting headset sends nothing, in seconds of signal. Its outlet closes after
        half of it, so that readers get what was sent before.

    Raises
    ------
    FaultError
        If a fault cannot happen to this recording, or not at this time.
    """

    def __init__(self, form: Form, faults: Sequence[Fault], *, reconnect_seconds: float) -> None:
        check(form, faults, reconnect_seconds)
        self._form = form
        self._faults = tuple(faults)
        self._on_channels = [
            (fault, affected(form, fault)) for fault in faults if isinstance(fault, ChannelFault)
        ]
        self._held: dict[int, NDArray[np.float64]] = {}
        self._swaps = self._orders()
        self._outages = list(_outages(faults, reconnect_seconds))
        self._connections = deque(self._connection_actions())
        self._borders = self._all_borders()
        self._rates = RateChanges(
            len(form.channels), form.sfreq, [fault for fault in faults if isinstance(fault, Rate)]
        )
        self._markers: deque[TimedMarker] = deque()
        self._now = -np.inf

    @property
    def unreached(self) -> tuple[Fault, ...]:
        """The faults that did not happen because the signal or the headset ended before."""
        return tuple(fault for fault in self._faults if fault.at > self._now + TOLERANCE_SECONDS)

    def process(
        self,
        samples: NDArray[np.floating],
        times: NDArray[np.float64],
        markers: Iterable[TimedMarker] = (),
    ) -> Iterator[Action]:
        """Yield the actions for the next contiguous samples, in order of time.

        Do not continue after a `Disconnect` that kills.

        Parameters
        ----------
        samples
            `(channels, samples)` in the recording's units.
        times
            `(samples,)` seconds.
        markers
            Markers within those times.
        """
        self._markers.extend(markers)
        for piece in self._rates.process(samples, times):
            yield from self._actions(piece)

    def finish(self) -> Iterator[Action]:
        """Yield the remaining actions after the last samples."""
        for piece in self._rates.finish():
            yield from self._actions(piece)

    def _actions(self, piece: Piece) -> Iterator[Action]:
        cuts = np.searchsorted(piece.times, self._borders - TOLERANCE_SECONDS)
        edges = np.unique([0, *cuts, len(piece.times)])
        for start, stop in pairwise(edges):
            times = piece.times[start:stop]
            self._now = float(times[0])
            while self._connections and self._since(self._connections[0].due):
                yield self._connections.popleft()
            yield self._send(Piece(piece.samples[:, start:stop], times, piece.sfreq))

    def _send(self, piece: Piece) -> Send:
        """Apply to a piece that spans no border the faults that are active at its start."""
        begun = [fault for fault in self._faults if self._since(fault.at)]
        samples = self._with_channel_faults(piece)
        if any(isinstance(fault, Volts) for fault in begun):
            samples = samples * self._to_volts()
        for order in self._swaps[: sum(isinstance(fault, SwapChannels) for fault in begun)]:
            samples = samples[order]
        shift = sum(fault.shift for fault in begun if isinstance(fault, ClockJump))
        due = float(piece.times[-1])
        lost = any(self._since(outage.at) and self._before(outage.end) for outage in self._outages)
        for fault in begun:
            if isinstance(fault, Drop):
                lost = lost or self._before(fault.end)
            elif isinstance(fault, Freeze) and self._before(fault.end):
                due = fault.end
        markers = []
        next_sample = piece.times[-1] + 1 / piece.sfreq
        while self._markers and self._markers[0].seconds < next_sample - TOLERANCE_SECONDS:
            marker = self._markers.popleft()
            markers.append(replace(marker, seconds=marker.seconds + shift))
        kept = 0 if lost else len(piece.times)
        return Send(
            due=due,
            samples=samples[:, :kept],
            stamps=piece.times[:kept] + shift,
            markers=tuple(markers),
            unix=any(isinstance(fault, UnixTime) for fault in begun),
            sfreq=piece.sfreq,
        )

    def _with_channel_faults(self, piece: Piece) -> NDArray[np.floating]:
        active = [
            (number, fault, channels)
            for number, (fault, channels) in enumerate(self._on_channels)
            if self._since(fault.at) and self._before(fault.end)
        ]
        if not active:
            return piece.samples
        samples = np.array(piece.samples, dtype=np.float64)
        for _, fault, channels in active:
            if isinstance(fault, LineNoise):
                sine = fault.microvolts * np.sin(2 * np.pi * fault.hertz * piece.times)
                samples[channels] += sine / self._microvolts()[channels]
        for number, fault, channels in active:
            if isinstance(fault, Flat):
                samples[channels] = self._held.setdefault(number, samples[channels, :1])
            elif isinstance(fault, Nan):
                samples[channels] = np.nan
        return samples

    def _microvolts(self) -> NDArray[np.float64]:
        """Return each channel's factor to microvolts, `(channels, 1)`; NaN if it has none."""
        factors = [microvolts_per(unit) or np.nan for unit in self._form.units]
        return np.array(factors)[:, np.newaxis]

    def _to_volts(self) -> NDArray[np.float64]:
        """Return each channel's factor to volts, `(channels, 1)`; 1 for other quantities."""
        return np.nan_to_num(self._microvolts() / 1e6, nan=1.0)

    def _since(self, time: float) -> bool:
        return self._now >= time - TOLERANCE_SECONDS

    def _before(self, time: float) -> bool:
        return not self._since(time)

    def _orders(self) -> list[NDArray[np.intp]]:
        """Return the order of each swap: one cycle over all channels, so that every one moves."""
        random = np.random.default_rng(_SWAP_SEED)
        orders = []
        for _ in filter(lambda fault: isinstance(fault, SwapChannels), self._faults):
            cycle = random.permutation(len(self._form.channels))
            order = np.empty_like(cycle)
            order[cycle] = np.roll(cycle, 1)
            orders.append(order)
        return orders

    def _connection_actions(self) -> Iterator[Disconnect | Connect]:
        for outage in self._outages:
            killed = outage.end == np.inf
            yield Disconnect(outage.closing, killed)
            if killed:
                return
            yield Connect(outage.end, self._form_at(outage.at))

    def _form_at(self, at: float) -> Form:
        """Return the metadata of a headset that reconnects after the faults up to this moment."""
        channels, units, sfreq = self._form.channels, self._form.units, self._form.sfreq
        orders = iter(self._swaps)
        for fault in self._faults:
            if fault.at > at:
                break
            match fault:
                case SwapChannels():
                    order = next(orders)
                    channels = tuple(channels[number] for number in order)
                    units = tuple(units[number] for number in order)
                case Volts(silently=False):
                    units = tuple(unit if microvolts_per(unit) is None else "V" for unit in units)
                case Rate(silently=False):
                    sfreq = fault.sfreq
        return Form(channels, units, sfreq)

    def _all_borders(self) -> NDArray[np.float64]:
        """Return the times at which a fault begins or ends, in order."""
        times = {fault.at for fault in self._faults}
        times |= {fault.end for fault in self._faults if isinstance(fault, (Drop, Freeze))}
        times |= {fault.end for fault, _ in self._on_channels}
        times |= {time for outage in self._outages for time in (outage.closing, outage.end)}
        return np.array(sorted(times))


def _outages(faults: Sequence[Fault], reconnect_seconds: float) -> Iterator[_Outage]:
    """Yield the outages; faults at the same moment are one outage."""
    for at, together in groupby(filter(reconnects, faults), key=lambda fault: fault.at):
        closings, ends = zip(
            *(
                (at, fault.end)
                if isinstance(fault, Kill)
                else (at + reconnect_seconds / 2, at + reconnect_seconds)
                for fault in together
            ),
            strict=True,
        )
        yield _Outage(at, min(closings), max(ends))
