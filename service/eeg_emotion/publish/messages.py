"""What subscribers are told, over WebSocket and REST alike.

The models below are the one definition: the wire's JSON and the OpenAPI document both come from
them. A number that is not finite is written as null, since NaN is not JSON.
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
    """When the window's first and last raw samples were taken, Unix seconds, UTC."""

    start: float
    end: float


class Score(Message):
    """One target's estimate. Both fields are null where the window is not valid.

    `probability` is that of "high", calibrated. `label` is "unsure" where estimates like it were
    right too seldom for either side; the window is valid all the same.
    """

    probability: Annotated[float, Field(ge=0, le=1)] | None
    label: Literal["low", "high", "unsure"] | None


class Latency(Message):
    """Where the time went between the window's last sample and this message, milliseconds.

    `total` is the window's age: `arrival`, `path` and `inference` together. `resampler` is how long
    the resampler withholds a window's last samples, and a part of `arrival`. `filter` is how much
    older than its stamps the activity is that the window shows, and no part of `total`.
    """

    resampler: float
    filter: float
    arrival: float
    path: float
    inference: float
    total: float


class Prediction(Message):
    """The estimates over one window of one headset."""

    type: Literal["prediction"] = "prediction"
    headset: str
    epoch: str
    seq: Annotated[int, Field(ge=0)]
    window: WindowSpan
    arousal: Score
    valence: Score
    valid: bool
    reasons: tuple[Reason, ...]
    quality: Annotated[float, Field(ge=0, le=1)]
    interpolated: tuple[str, ...] = ()
    latency_ms: Latency
    model: str


class Headset(Message):
    """One headset: what it is, how it is doing, and what was done to its channels."""

    id: str
    name: str
    state: State
    detail: str
    """The state in words; for a quarantined headset what was found, expected, and the remedy."""
    check: Check | None = None
    """None while it is under way."""
    changes: tuple[str, ...] = ()
    """In what its metadata differ from those of its connection before."""
    simulated: bool | None
    """Null before the stream's own metadata have been read."""
    epoch: str | None
    sfreq: float
    """The nominal rate, Hz."""
    sfreq_measured: float | None = None
    """The rate at which samples came over the last minute, Hz; null before that is known."""
    unit: str | None = None
    """The channels' unit, and whether it is stated or was judged by amplitude."""
    channels_used: tuple[str, ...] = ()
    interpolated: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    samples_received: int = 0
    samples_missing: int = 0
    gaps: int = 0
    windows_superseded: int = 0
    alarms: tuple[RaisedAlarm, ...] = ()
    """Those that are raised now, by when they were."""


class ChannelQuality(Message):
    """One measured channel in one window."""

    label: str
    score: Annotated[float, Field(ge=0, le=1)]
    trouble: Trouble | None
    """What it suffers from most; null for a good one."""


class RegionPower(Message):
    """The mean power of one region's electrodes in one window, dB above 1 µV² in each band.

    Electrodes that were filled in do not count; null where none is left.
    """

    region: Literal["frontal", "central", "temporal", "parietal", "occipital"]
    theta: float | None
    alpha: float | None
    beta: float | None
    gamma: float | None


class Quality(Message):
    """How the channels of a headset's newest window were judged."""

    headset: str
    epoch: str
    window: WindowSpan
    overall: Annotated[float, Field(ge=0, le=1)]
    faults: tuple[Reason, ...]
    """What in the signal keeps the window from a score; empty where nothing does."""
    interpolated: tuple[str, ...]
    channels: tuple[ChannelQuality, ...]
    regions: tuple[RegionPower, ...] = ()


class Status(Message):
    """Sent when a headset's state changes, and every few seconds for the counts of a live one."""

    type: Literal["status"] = "status"
    headset: Headset


class CalibrationFigures(Message):
    """How one target's probabilities were calibrated, on windows of people not trained on."""

    temperature: float
    """By which the log-odds were divided."""
    unsure: tuple[Annotated[float, Field(ge=0, le=0.5)], Annotated[float, Field(ge=0.5, le=1)]]
    """A probability from the first to the second is labelled `unsure`; nothing is where both are
    equal."""
    windows: Annotated[int, Field(gt=0)]
    people: Annotated[int, Field(gt=0)]
    """Whose windows these are: people set aside to choose the temperature by."""
    ece_before: float
    """The expected calibration error on these windows before the calibration."""
    ece_after: float
    """The same after it."""


class ModelCard(Message):
    """The model in brief: where it comes from and how far to trust it."""

    name: str
    version: str
    sha256: str
    simulated: bool
    trained_on: str
    held_out: dict[str, str]
    """For each target its held-out result in words, with the protocol."""
    calibration: dict[str, str]
    """For each target how its probabilities were calibrated, and what is called unsure."""
    calibration_figures: dict[str, CalibrationFigures] = Field(default_factory=dict)
    """The same as numbers; empty from a service that is older than this field."""
    label_rule: str
    targets: tuple[str, ...]
    channels: tuple[str, ...]
    sfreq: float
    window_seconds: float
    hop_seconds: float
    settle_seconds: float
    representation: str
    normaliser: NormaliserKind
    """For `rest-baseline` a headset needs its person's own rest before it can be scored."""


class Welcome(Message):
    """The first message of every connection, once it is known what it may read."""

    type: Literal["welcome"] = "welcome"
    protocol: Literal["emotion.v1.json"] = PROTOCOL
    service: str
    purpose: Purpose
    justification: str | None
    """Why emotions are estimated at work or in education; null for any other purpose."""
    subject: str
    """As whom the subscriber is known; `anonymous` on an open service."""
    scopes: tuple[str, ...]
    credits: int
    """How many messages a client that acknowledges is sent beyond those it has acknowledged."""
    ack_every: int
    """After how many messages to acknowledge."""
    heartbeat_seconds: float
    """A client that has heard nothing for this long should `ping`, and connect anew if nothing
    comes for as long again."""
    resume_seconds: float
    """How long after a loss exactly the missed predictions are given."""
    max_subscriptions: int
    model: ModelCard
    headsets: tuple[Headset, ...]
    """Those that the subscriber may read."""


class Subscribed(Message):
    """The answer to each subscription, before its first message."""

    type: Literal["subscribed"] = "subscribed"
    headset: str
    """A headset's id, or `*`."""
    recovered: bool | None
    """True where exactly the missed predictions follow, false where they cannot be told and the
    newest follows, null where nothing was to be resumed."""
    missed: Annotated[int, Field(ge=0)]
    """How many missed predictions follow."""


class Refused(Message):
    """The answer to a subscription that is not given; the connection stays."""

    type: Literal["refused"] = "refused"
    headset: str
    reason: Literal["not_allowed", "too_many"]
    detail: str


class Pong(Message):
    """The answer to a `ping`."""

    type: Literal["pong"] = "pong"


class Detail(Quality):
    """How the channels of a headset's newest window were judged, for those who asked for it."""

    type: Literal["detail"] = "detail"
    seq: Annotated[int, Field(ge=0)]
    """Of the prediction over the same window."""


class GoingAway(Message):
    """The service is stopping; messages come until it closes this connection."""

    type: Literal["going_away"] = "going_away"
    reconnect_after_ms: Annotated[int, Field(ge=0)]
    """When to connect again, from now; drawn for each connection, so that not all come at once."""


class BaselineState(StrEnum):
    """Where a headset stands with its person's rest baseline."""

    NONE = "none"
    COLLECTING = "collecting"
    APPLIED = "applied"
    FAILED = "failed"


class Baseline(Message):
    """A headset's rest baseline: sent with each second of a collection, and at its end."""

    type: Literal["baseline"] = "baseline"
    headset: str
    state: BaselineState
    profile: str | None
    """The pseudonym under which rest is collected, or whose baseline is in use."""
    seconds: Annotated[int, Field(ge=0)]
    """The clean rest that was asked for."""
    clean_seconds: Annotated[int, Field(ge=0)]
    refused: dict[str, int]
    """For each reason the seconds that were not counted."""
    detail: str
    """The state in words; on failure with the remedy."""
    before: Prediction | None
    """The last prediction before the baseline was applied."""
    after: Prediction | None
    """The first prediction that was made with it."""


class Marker(Message):
    """What the headset's own stream of markers said, such as a recording's trials on replay."""

    type: Literal["marker"] = "marker"
    headset: str
    time: float
    """When it was so, Unix seconds, UTC."""
    text: str
    ratings: dict[str, float] | None
    """A recording's own ratings of the trial that begins here, on the scale that it states; null
    where it states none."""


class Event(Message):
    """Something that happened to a headset."""

    number: Annotated[int, Field(ge=0)]
    """Later events have larger ones."""
    headset: str
    time: float
    """Unix seconds, UTC."""
    kind: Literal["state", "baseline", "marker"]
    state: str
    """The headset's or its baseline's new state; empty for a marker."""
    detail: str
    """The state in words, or the marker's text."""
    ratings: dict[str, float] | None = None
    """The marker's; null for the others."""


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
"""All that goes out on the WebSocket."""
