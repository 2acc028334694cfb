"""The messages to subscribers, on the WebSocket and REST alike.

The models below are the single definition: the wire's JSON and the OpenAPI document are both
derived from them. A number that is not finite is written as null, since NaN is not JSON.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from eeg_emotion.codes import Check, Purpose, Reason, State, Trouble
from eeg_emotion.eeg.normaliser import NormaliserKind
from eeg_emotion.publish.alarms import Alarm, RaisedAlarm
from eeg_emotion.publish.message import Message

PROTOCOL: Literal["emotion.v1.json"] = "emotion.v1.json"


class WindowSpan(Message):
    """When the window's first and last raw sample were taken, Unix seconds, UTC."""

    start: float
    """Of its first raw sample, Unix seconds, UTC."""
    end: float
    """Of its last raw sample, Unix seconds, UTC."""


class Score(Message):
    """One target's estimate. Both fields are null if the window is not valid.

    `probability` is the calibrated probability of "high". `label` is "unsure" if similar estimates
    were too rarely right for either label; the window is still valid.
    """

    probability: Annotated[float, Field(ge=0, le=1)] | None
    """Of "high", calibrated, 0 to 1."""
    label: Literal["low", "high", "unsure"] | None
    """See above; `unsure` does not make the window invalid."""


class Latency(Message):
    """The time between the window's last sample and this message, milliseconds.

    `total` is the window's age: the sum of `arrival`, `path` and `inference`. `resampler` is how
    long the resampler withholds a window's last samples, and is part of `arrival`. `filter` is by
    how much the activity in the window is older than its stamps, and is not part of `total`.
    """

    resampler: float
    """Milliseconds; part of `arrival`."""
    filter: float
    """Milliseconds; not part of `total`."""
    arrival: float
    """Milliseconds from the window's last sample to its arrival."""
    path: float
    """Milliseconds in the signal path."""
    inference: float
    """Milliseconds in the model."""
    total: float
    """Milliseconds: `arrival`, `path` and `inference`."""


class Prediction(Message):
    """The estimates over one window of one headset."""

    type: Literal["prediction"] = "prediction"
    headset: str
    """The headset's id."""
    epoch: str
    """Identifies the headset's connection; changes when it reconnects."""
    seq: Annotated[int, Field(ge=0)]
    """Counts from 0 within the epoch."""
    window: WindowSpan
    """When the window was recorded."""
    arousal: Score
    """The estimate of arousal."""
    valence: Score
    """The estimate of valence."""
    valid: bool
    """Whether the window could be scored."""
    reasons: tuple[Reason, ...]
    """Why it could not; empty for a valid window."""
    quality: Annotated[float, Field(ge=0, le=1)]
    """Of the signal in the window, from 1, good, to 0."""
    interpolated: tuple[str, ...] = ()
    """Channels that are filled in from others."""
    latency_ms: Latency
    """How old the window was when this message was made."""
    model: str
    """The model's name and version."""


class Headset(Message):
    """One headset: its identity, its state, and how its channels are used."""

    id: str
    """Its id."""
    name: str
    """The stream's name."""
    state: State
    """The state of its connection."""
    detail: str
    """The state in words; for a quarantined headset what was found, expected, and the remedy."""
    check: Check | None = None
    """Null until the check is done."""
    changes: tuple[str, ...] = ()
    """How its metadata differ from those of its previous connection."""
    simulated: bool | None
    """Null until the stream's own metadata have been read."""
    epoch: str | None
    """Identifies its connection; null before there is one."""
    sfreq: float
    """The nominal rate, Hz."""
    sfreq_measured: float | None = None
    """The measured rate over the last minute, Hz; null until it is known."""
    unit: str | None = None
    """The channels' unit, and whether it is stated or was inferred from the amplitude."""
    channels_used: tuple[str, ...] = ()
    """The channels that are measured, of those that the model needs."""
    interpolated: tuple[str, ...] = ()
    """Channels that are filled in from others."""
    dropped: tuple[str, ...] = ()
    """Channels of the stream that are not used."""
    samples_received: int = 0
    """Samples received."""
    samples_missing: int = 0
    """Samples that never arrived."""
    gaps: int = 0
    """How often samples were missing."""
    windows_superseded: int = 0
    """Windows not assessed because a newer one was complete."""
    alarms: tuple[RaisedAlarm, ...] = ()
    """The alarms that are raised now, oldest first."""


class ChannelQuality(Message):
    """One measured channel in one window."""

    label: str
    """The electrode's name."""
    score: Annotated[float, Field(ge=0, le=1)]
    """From 1, good, to 0."""
    trouble: Trouble | None
    """Its worst problem; null for a good channel."""


class RegionPower(Message):
    """The mean power of one region's electrodes in one window, dB above 1 µV² in each band.

    Interpolated electrodes do not count; null if none is left.
    """

    region: Literal["frontal", "central", "temporal", "parietal", "occipital"]
    """The region."""
    theta: float | None
    """dB above 1 µV²."""
    alpha: float | None
    """dB above 1 µV²."""
    beta: float | None
    """dB above 1 µV²."""
    gamma: float | None
    """dB above 1 µV²."""


class Quality(Message):
    """The channel quality of a headset's newest window."""

    headset: str
    """The headset's id."""
    epoch: str
    """Identifies the headset's connection; changes when it reconnects."""
    window: WindowSpan
    """When the window was recorded."""
    overall: Annotated[float, Field(ge=0, le=1)]
    """From 1, good, to 0."""
    faults: tuple[Reason, ...]
    """What in the signal keeps the window from a score; empty where nothing does."""
    interpolated: tuple[str, ...]
    """Channels that are filled in from others."""
    channels: tuple[ChannelQuality, ...]
    """The measured channels."""
    regions: tuple[RegionPower, ...] = ()
    """The power of each region."""


class Status(Message):
    """Sent when a headset's state changes, and every few seconds to update a live one's counts."""

    type: Literal["status"] = "status"
    headset: Headset
    """All that is known of the headset."""


class CalibrationFigures(Message):
    """How one target's probabilities were calibrated, on windows of people not trained on."""

    temperature: float
    """By which the log-odds were divided."""
    unsure: tuple[Annotated[float, Field(ge=0, le=0.5)], Annotated[float, Field(ge=0.5, le=1)]]
    """A probability from the first to the second is labelled `unsure`; nothing is where both are
    equal."""
    windows: Annotated[int, Field(gt=0)]
    """How many windows these figures are from."""
    people: Annotated[int, Field(gt=0)]
    """Whose windows these are: people set aside to choose the temperature by."""
    ece_before: float
    """The expected calibration error on these windows before the calibration."""
    ece_after: float
    """The same after it."""


class ModelCard(Message):
    """A summary of the model: where it comes from and how far to trust it."""

    name: str
    """The model's name."""
    version: str
    """Its version."""
    sha256: str
    """The file's SHA-256."""
    simulated: bool
    """Whether it was trained on simulated people."""
    trained_on: str
    """What it was trained on, in words."""
    held_out: dict[str, str]
    """For each target, its held-out result in words, with the protocol."""
    calibration: dict[str, str]
    """For each target how its probabilities were calibrated, and what is called unsure."""
    calibration_figures: dict[str, CalibrationFigures] = Field(default_factory=dict)
    """The same as numbers; empty from a service that is older than this field."""
    label_rule: str
    """What "high" and "low" mean, in words."""
    targets: tuple[str, ...]
    """What it estimates."""
    channels: tuple[str, ...]
    """The electrodes it needs."""
    sfreq: float
    """The rate it needs, Hz."""
    window_seconds: float
    """A window's length."""
    hop_seconds: float
    """The time between windows."""
    settle_seconds: float
    """How long the filters settle before the first window."""
    representation: str
    """How a window is presented to it."""
    normaliser: NormaliserKind
    """For `rest-baseline`, a headset needs its person's own rest before it can be scored."""


class Welcome(Message):
    """The first message of every connection, once it is known what the client may read."""

    type: Literal["welcome"] = "welcome"
    protocol: Literal["emotion.v1.json"] = PROTOCOL
    """The version of this protocol."""
    service: str
    """The service's name and version."""
    purpose: Purpose
    """What the service is run for."""
    justification: str | None
    """Why emotions are estimated at work or in education; null for any other purpose."""
    subject: str
    """The subscriber's identity; `anonymous` on an open service."""
    scopes: tuple[str, ...]
    """The scopes of the subscriber's credentials."""
    credits: int
    """The most unacknowledged messages that are sent to a client that acknowledges."""
    ack_every: int
    """After how many messages to acknowledge."""
    heartbeat_seconds: float
    """A client that has received nothing for this long should `ping`, and reconnect if nothing
    arrives for as long again."""
    resume_seconds: float
    """How long after a loss exactly the missed predictions can be recovered."""
    max_subscriptions: int
    """The most subscriptions of one connection."""
    model: ModelCard
    """The model that is served."""
    headsets: tuple[Headset, ...]
    """The headsets that the subscriber may read."""


class Subscribed(Message):
    """The answer to each subscription, before its first message."""

    type: Literal["subscribed"] = "subscribed"
    headset: str
    """A headset's id, or `*`."""
    recovered: bool | None
    """True if exactly the missed predictions follow, false if they are not available and the newest
    follows, null if nothing was to be resumed."""
    missed: Annotated[int, Field(ge=0)]
    """How many missed predictions follow."""


class Refused(Message):
    """The answer to a subscription that is refused; the connection stays open."""

    type: Literal["refused"] = "refused"
    headset: str
    """The headset's id, or `*`."""
    reason: Literal["not_allowed", "too_many"]
    """Why."""
    detail: str
    """Why, in words, with what was expected."""


class Pong(Message):
    """The answer to a `ping`."""

    type: Literal["pong"] = "pong"


class Detail(Quality):
    """The channel quality of a headset's newest window, for clients that subscribe to it."""

    type: Literal["detail"] = "detail"
    seq: Annotated[int, Field(ge=0)]
    """The number of the prediction for the same window."""


class GoingAway(Message):
    """The service is stopping; messages continue until it closes this connection."""

    type: Literal["going_away"] = "going_away"
    reconnect_after_ms: Annotated[int, Field(ge=0)]
    """When to connect again, from now; random, so that not all clients reconnect at once."""


class BaselineState(StrEnum):
    """The state of a headset's rest baseline."""

    NONE = "none"
    COLLECTING = "collecting"
    APPLIED = "applied"
    FAILED = "failed"


class Baseline(Message):
    """A headset's rest baseline: sent for each second of a collection, and at its end."""

    type: Literal["baseline"] = "baseline"
    headset: str
    """The headset's id."""
    state: BaselineState
    """The state of the collection."""
    profile: str | None
    """The pseudonym under which rest is collected, or whose baseline is in use."""
    seconds: Annotated[int, Field(ge=0)]
    """The clean rest that was requested."""
    clean_seconds: Annotated[int, Field(ge=0)]
    """The clean rest collected so far."""
    refused: dict[str, int]
    """The seconds that were not counted, by reason."""
    detail: str
    """The state in words; on failure, with the remedy."""
    before: Prediction | None
    """The last prediction before the baseline was applied."""
    after: Prediction | None
    """The first prediction that was made with it."""


class Marker(Message):
    """A marker from the headset's marker stream, such as a recording's trials on replay."""

    type: Literal["marker"] = "marker"
    headset: str
    """The headset's id."""
    time: float
    """When it occurred, Unix seconds, UTC."""
    text: str
    """The marker's text, at most 300 characters."""
    ratings: dict[str, float] | None
    """The recording's own ratings of the trial that begins here, on its stated scale; null if it
    states none."""


class Event(Message):
    """An event of a headset."""

    number: Annotated[int, Field(ge=0)]
    """Increases with each event."""
    headset: str
    """The headset's id."""
    time: float
    """Unix seconds, UTC."""
    kind: Literal["state", "baseline", "marker"]
    """What kind of event it is."""
    state: str
    """The headset's or its baseline's new state; empty for a marker."""
    detail: str
    """The state in words, or the marker's text."""
    ratings: dict[str, float] | None = None
    """The marker's ratings; null for other events."""


TypedMessage = (
    Prediction
    | Status
    | Baseline
    | Detail
    | Alarm
    | Marker
    | Welcome
    | Subscribed
    | Refused
    | Pong
    | GoingAway
)
"""All messages that are sent on the WebSocket."""
