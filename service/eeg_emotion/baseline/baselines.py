"""Each headset's rest baseline: collected while the person rests, stored as a profile, applied.

Which headset uses which profile is kept in memory only: after a restart another person may wear
the headset. All of this runs in the event loop's thread; the collection is fed in the poller's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from eeg_emotion.baseline import messages
from eeg_emotion.baseline.collection import RestCollection
from eeg_emotion.baseline.profiles import (
    Profile,
    ProfileError,
    ProfileStore,
    check_name,
    fits,
    new_pseudonym,
)
from eeg_emotion.baseline.streams import RestPipeline, RestStream, RestStreams
from eeg_emotion.codes import State
from eeg_emotion.eeg.layout import Layout
from eeg_emotion.eeg.normaliser import Normaliser
from eeg_emotion.eeg.rest_baseline import RestError
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.inference.contract import RestBaseline
from eeg_emotion.inference.model import Model
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.messages import Baseline, Prediction

_LONGEST_SECONDS = 600
_PATIENCE = 3  # times the requested seconds; after that the signal is too bad to continue


class BaselineRefused(EegEmotionError):
    """The request does not fit the current state of the headset, the model or the profile."""


class SecondsError(BaselineRefused):
    """The requested amount of rest is too short or too long."""


@dataclass(frozen=True, slots=True)
class _UnderWay:
    profile: str
    collection: RestCollection
    layout: Layout
    pipeline: RestPipeline
    deadline: float


class Baselines:
    """The baseline of each headset, and the collections under way.

    Parameters
    ----------
    model
        The model being served.
    bus
        Receives each change and each collected second.
    profiles
        Where baselines are stored.
    clock
        Seconds; used to end a collection that takes too long.
    utc
        Unix time, seconds; dates the profiles, and separates predictions made before a profile was
        applied from those after.
    random
        Source of the pseudonyms.
    """

    def __init__(
        self,
        model: Model,
        bus: Bus,
        profiles: ProfileStore,
        *,
        clock: Callable[[], float],
        utc: Callable[[], float],
        random: Random,
    ) -> None:
        self.profiles = profiles
        self._model = model
        self._bus = bus
        self._clock = clock
        self._utc = utc
        self._random = random
        self._streams: RestStreams | None = None
        self._published: dict[str, Baseline] = {}
        self._under_way: dict[str, _UnderWay] = {}
        self._in_use: dict[str, Profile] = {}
        self._applied: dict[str, float] = {}  # when, until the first prediction made with it

    def attach(self, lines: RestStreams) -> None:
        """Set the streams to use; these call `on_samples`, `lost`, `forget`, `normaliser_for`."""
        self._streams = lines

    # Requests.

    def begin(self, identifier: str, seconds: int, profile: str | None) -> Baseline:
        """Start collecting clean rest; an existing profile of that name is replaced at the end.

        Parameters
        ----------
        identifier
            The headset.
        seconds
            How much clean rest to collect.
        profile
            The pseudonym; None generates one.

        Raises
        ------
        SecondsError
            If the model cannot use so few or so many seconds.
        BaselineRefused
            If the model needs no rest, a collection is under way, or the headset is not live.
        ProfileError
            If the name is not valid, or no profile could be saved.
        """
        rest = self._needed_rest()
        most = max(rest.most_seconds, _LONGEST_SECONDS)
        if not rest.least_seconds <= seconds <= most:
            raise SecondsError(
                f"found a request for {seconds} s of rest, expected {rest.least_seconds} to "
                f"{most} s; request about {rest.most_seconds} s"
            )
        if profile is not None:
            check_name(profile)
        self._refuse_while_collecting(identifier)
        pipeline, layout = self._live_pipeline(identifier)
        self.profiles.check_writable()  # now, not after the person has sat still for a minute
        collection = RestCollection(
            pipeline.settings,
            layout,
            pipeline.sfreq,
            seconds=seconds,
            least_seconds=rest.least_seconds,
            limits=pipeline.limits,
        )
        name = profile or self._new_name()
        deadline = self._clock() + _PATIENCE * seconds
        self._under_way[identifier] = _UnderWay(name, collection, layout, pipeline, deadline)
        self._applied.pop(identifier, None)
        pipeline.rest = collection
        return self._publish(messages.collecting(identifier, name, collection))

    def baseline(self, identifier: str) -> Baseline:
        """Return the state of a headset's baseline."""
        # Without further samples, nothing else would notice that the time is over.
        self._advance(identifier)
        return self._published.get(identifier) or messages.none(identifier)

    def use(self, identifier: str, profile: str) -> Baseline:
        """Apply a stored profile.

        Raises
        ------
        BaselineRefused
            If the model needs no rest, a collection is under way, or the profile does not fit.
        UnknownProfile, ProfileError
            If there is no such profile, or it is damaged.
        """
        self._needed_rest()
        self._refuse_while_collecting(identifier)
        stored = self.profiles.load(profile)
        if (why_not := fits(stored, self._model)) is not None:
            raise BaselineRefused(why_not)
        before = self._last_prediction(identifier)
        return self._apply(stored, messages.applied(identifier, stored, before=before))

    def cancel(self, identifier: str) -> Baseline:
        """Cancel a collection, keeping the profile in use, if any; or stop using a profile."""
        if self._end(identifier) is not None:
            return self._publish(messages.cancelled(identifier, self._in_use.get(identifier)))
        if self._in_use.pop(identifier, None) is not None:
            self._applied.pop(identifier, None)
            if (stream := self._stream(identifier)) is not None:
                stream.pipeline.use(None)
        return self._publish(messages.none(identifier))

    def delete_profile(self, name: str) -> None:
        """Delete a stored profile.

        Raises
        ------
        BaselineRefused
            If a headset uses it or is collecting it.
        UnknownProfile, ProfileError
            If there is no such profile, or it cannot be deleted.
        """
        collecting = {key for key, item in self._under_way.items() if item.profile == name}
        using = {key for key, profile in self._in_use.items() if profile.name == name}
        if busy := sorted(collecting | using):
            raise BaselineRefused(
                f"found profile {name} in use by headset {', '.join(busy)}, expected it not in "
                f"use; DELETE /v1/headsets/{busy[0]}/baseline first"
            )
        self.profiles.delete(name)

    # Notifications from the fleet.

    def on_samples(self, identifier: str, prediction: Prediction | None) -> None:
        """Handle a batch of samples, and the prediction made from it, if any."""
        if prediction is not None:
            self._compare(identifier, prediction)
        self._advance(identifier, prediction)

    def lost(self, identifier: str) -> None:
        """Abandon the collection of a headset that is gone; its profile stays in use."""
        under_way = self._under_way.get(identifier)
        if under_way is None:
            return
        if under_way.collection.finished:
            self._finish(identifier, under_way, None)
        else:
            self._fail(
                identifier,
                "the headset was lost, and rest from two connections is not combined; start again "
                "when it is live",
            )

    def forget(self, identifier: str) -> None:
        """Forget a headset that is no longer listed."""
        self._end(identifier)
        self._published.pop(identifier, None)
        self._in_use.pop(identifier, None)
        self._applied.pop(identifier, None)

    def normaliser_for(self, identifier: str, model: Model) -> Normaliser | None:
        """Return the normaliser of a new pipeline: the model's, the person's, or None."""
        if (training := model.contract.training_normaliser) is not None:
            return training
        profile = self._in_use.get(identifier)
        return None if profile is None or fits(profile, model) else profile.normaliser

    # A collection's progress.

    def _advance(self, identifier: str, prediction: Prediction | None = None) -> None:
        under_way = self._under_way.get(identifier)
        if under_way is None:
            return
        collection, stream = under_way.collection, self._stream(identifier)
        if collection.finished:
            self._finish(identifier, under_way, prediction)
        elif stream is None or stream.pipeline is not under_way.pipeline:
            self.lost(identifier)
        elif self._clock() > under_way.deadline:
            self._fail(
                identifier,
                f"found {messages.progress(collection)}, in {_PATIENCE * collection.seconds} s; "
                "check that the electrodes touch and the person sits still, then start again",
            )
        else:
            now = messages.collecting(identifier, under_way.profile, collection)
            if now != self._published[identifier]:
                self._publish(now)

    def _finish(self, identifier: str, done: _UnderWay, prediction: Prediction | None) -> None:
        contract = self._model.contract
        try:
            profile = Profile(
                name=done.profile,
                model=contract.name,
                model_version=contract.version,
                model_sha256=self._model.sha256,
                representation=contract.path.representation.kind,
                channels=contract.path.channels,
                interpolated=done.layout.interpolated,
                created=datetime.fromtimestamp(self._utc(), UTC),
                clean_seconds=done.collection.clean_seconds,
                normaliser=done.collection.normaliser(),
            )
            self.profiles.save(profile)
        except (RestError, ProfileError) as error:
            self._fail(identifier, str(error))
            return
        self._end(identifier)
        before = prediction or self._last_prediction(identifier)
        self._apply(profile, messages.applied(identifier, profile, done.collection, before))

    def _fail(self, identifier: str, why: str) -> None:
        ended = self._end(identifier)
        if ended is not None:
            in_use = self._in_use.get(identifier)
            self._publish(messages.failed(identifier, ended.profile, ended.collection, why, in_use))

    def _end(self, identifier: str) -> _UnderWay | None:
        """Remove a collection from its pipeline."""
        under_way = self._under_way.pop(identifier, None)
        if under_way is not None:
            under_way.pipeline.rest = None
        return under_way

    # Using a profile.

    def _apply(self, profile: Profile, message: Baseline) -> Baseline:
        self._in_use[message.headset] = profile
        if (stream := self._stream(message.headset)) is not None:
            stream.pipeline.use(profile.normaliser)
        self._applied[message.headset] = self._utc()
        return self._publish(message)

    def _compare(self, identifier: str, prediction: Prediction) -> None:
        """Record the last prediction before a profile was applied, and the first one after."""
        applied = self._applied.get(identifier)
        if applied is None:
            return
        message = self._published[identifier]
        # A prediction that was on its way from the poller's thread when the profile was applied
        # still arrives afterwards; one that was being made at that moment may be either.
        end, latency = prediction.window.end, prediction.latency_ms
        if end + latency.arrival / 1e3 >= applied:
            del self._applied[identifier]
            self._publish(message.model_copy(update={"after": prediction}))
        elif end + latency.total / 1e3 < applied:
            self._published[identifier] = message.model_copy(update={"before": prediction})

    # Lookups.

    def _needed_rest(self) -> RestBaseline:
        contract = self._model.contract
        if not isinstance(contract.normaliser, RestBaseline):
            raise BaselineRefused(
                f"found the model {contract.name} {contract.version}, whose normaliser comes from "
                "its training data, expected one that uses each person's rest: a personal baseline "
                "would make its input unlike that of its training. Serve a model that was trained "
                "with rest baselines"
            )
        return contract.normaliser

    def _refuse_while_collecting(self, identifier: str) -> None:
        self._advance(identifier)
        if (under_way := self._under_way.get(identifier)) is not None:
            raise BaselineRefused(
                f"found a collection for headset {identifier} under way, with "
                f"{messages.progress(under_way.collection)}, expected none; wait until it ends, or "
                f"cancel it with DELETE /v1/headsets/{identifier}/baseline"
            )

    def _live_pipeline(self, identifier: str) -> tuple[RestPipeline, Layout]:
        headset = self._streams.headset(identifier) if self._streams else None
        stream = self._stream(identifier)
        layout = stream.pipeline.layout if stream else None
        if headset is None or stream is None or layout is None or headset.state is not State.LIVE:
            stands = f"{headset.state} ({headset.detail})" if headset else "not known"
            raise BaselineRefused(
                f"found headset {identifier} {stands}, expected it live; start again when its "
                "samples arrive"
            )
        return stream.pipeline, layout

    def _stream(self, identifier: str) -> RestStream | None:
        return self._streams.active_stream(identifier) if self._streams else None

    def _last_prediction(self, identifier: str) -> Prediction | None:
        """Return the newest prediction of the headset's current connection."""
        last = self._bus.last_prediction(identifier)
        headset = self._streams.headset(identifier) if self._streams else None
        return last if last and headset and last.epoch == headset.epoch else None

    def _new_name(self) -> str:
        taken = {*self.profiles.names(), *(item.profile for item in self._under_way.values())}
        while (name := new_pseudonym(self._random)) in taken:
            continue
        return name

    def _publish(self, message: Baseline) -> Baseline:
        self._published[message.headset] = message
        self._bus.publish(message)
        return message
