"""Each headset's rest baseline: collected while its person rests, kept by profile, applied.

Which headset has whose profile is kept in memory only: after the daemon's restart another person
may wear it. All of this runs in the event loop's thread; the collection is fed in the poller's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from eeg_emotion.baseline import messages as told
from eeg_emotion.baseline.collection import RestCollection
from eeg_emotion.baseline.lines import Line, Lines, RestMonitor
from eeg_emotion.baseline.profiles import (
    Profile,
    ProfileError,
    ProfileStore,
    check_name,
    fits,
    new_pseudonym,
)
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
_PATIENCE = 3  # times the seconds asked for; then the signal is too bad to go on


class BaselineRefused(EegEmotionError):
    """What is asked for cannot be done as the headset, the model or the profile now is."""


class SecondsError(BaselineRefused):
    """Less or more rest was asked for than is of use."""


@dataclass(frozen=True, slots=True)
class _UnderWay:
    profile: str
    collection: RestCollection
    layout: Layout
    monitor: RestMonitor
    deadline: float


class Baselines:
    """What each headset's baseline is, and the collections under way.

    Parameters
    ----------
    model
        The model that is served.
    bus
        Where each change and each collected second is told.
    profiles
        Where baselines are kept.
    clock
        Judges when a collection has taken too long; seconds.
    utc
        Unix time; dates the profiles, and tells predictions before from those after.
    random
        Makes the pseudonyms.
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
        self._lines: Lines | None = None
        self._told: dict[str, Baseline] = {}
        self._under_way: dict[str, _UnderWay] = {}
        self._in_use: dict[str, Profile] = {}
        self._applied: dict[str, float] = {}  # when, where no prediction made with it came yet

    def attach(self, lines: Lines) -> None:
        """Name the lines to work on; they call `heard`, `lost`, `forget` and `normaliser_for`."""
        self._lines = lines

    # What people ask for.

    def begin(self, identifier: str, seconds: int, profile: str | None) -> Baseline:
        """Begin to collect clean rest; a profile of that name is replaced when it is done.

        Parameters
        ----------
        identifier
            The headset.
        seconds
            How much.
        profile
            The pseudonym; None makes one.

        Raises
        ------
        SecondsError
            If the model can do nothing with so few or so many seconds.
        BaselineRefused
            If the model needs no rest, a collection is under way, or the headset is not live.
        ProfileError
            If the name cannot be a profile's, or no profile could be saved.
        """
        rest = self._needed_rest()
        most = max(rest.most_seconds, _LONGEST_SECONDS)
        if not rest.least_seconds <= seconds <= most:
            raise SecondsError(
                f"found {seconds} s of rest to be collected, expected {rest.least_seconds} to "
                f"{most} s; ask for about {rest.most_seconds}"
            )
        if profile is not None:
            check_name(profile)
        self._refuse_while_collecting(identifier)
        monitor, layout = self._live_monitor(identifier)
        self.profiles.check_writable()  # now, not after the person has sat still for a minute
        collection = RestCollection(
            monitor.settings,
            layout,
            monitor.sfreq,
            seconds=seconds,
            least_seconds=rest.least_seconds,
            limits=monitor.limits,
        )
        name = profile or self._new_name()
        deadline = self._clock() + _PATIENCE * seconds
        self._under_way[identifier] = _UnderWay(name, collection, layout, monitor, deadline)
        self._applied.pop(identifier, None)
        monitor.rest = collection
        return self._tell(told.collecting(identifier, name, collection))

    def baseline(self, identifier: str) -> Baseline:
        """Return where a headset stands."""
        # It may be that no sample comes any more to tell that the time is over.
        self._advance(identifier)
        return self._told.get(identifier) or told.none(identifier)

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
        return self._apply(stored, told.applied(identifier, stored, before=before))

    def cancel(self, identifier: str) -> Baseline:
        """End a collection, and what was in use before stays so; or stop using a profile."""
        if self._end(identifier) is not None:
            return self._tell(told.cancelled(identifier, self._in_use.get(identifier)))
        if self._in_use.pop(identifier, None) is not None:
            self._applied.pop(identifier, None)
            if (line := self._line(identifier)) is not None:
                line.monitor.use(None)
        return self._tell(told.none(identifier))

    def delete_profile(self, name: str) -> None:
        """Delete a stored profile.

        Raises
        ------
        BaselineRefused
            If a headset uses it or collects for it.
        UnknownProfile, ProfileError
            If there is none, or it cannot be deleted.
        """
        collecting = {key for key, item in self._under_way.items() if item.profile == name}
        using = {key for key, profile in self._in_use.items() if profile.name == name}
        if busy := sorted(collecting | using):
            raise BaselineRefused(
                f"found profile {name} in use by headset {', '.join(busy)}, expected it in use "
                f"by none; DELETE /v1/headsets/{busy[0]}/baseline first"
            )
        self.profiles.delete(name)

    # What the lines tell.

    def heard(self, identifier: str, prediction: Prediction | None) -> None:
        """Take note of a batch of samples, and of the prediction that it gave."""
        if prediction is not None:
            self._compare(identifier, prediction)
        self._advance(identifier, prediction)

    def lost(self, identifier: str) -> None:
        """Return up the collection of a headset that is gone; its profile stays in use."""
        under_way = self._under_way.get(identifier)
        if under_way is None:
            return
        if under_way.collection.finished:
            self._finish(identifier, under_way, None)
        else:
            self._fail(
                identifier,
                "the headset was lost, and rest of two connections is not joined; begin again "
                "when it is live",
            )

    def forget(self, identifier: str) -> None:
        """Drop all that is kept of a headset that is no longer listed."""
        self._end(identifier)
        self._told.pop(identifier, None)
        self._in_use.pop(identifier, None)
        self._applied.pop(identifier, None)

    def normaliser_for(self, identifier: str, model: Model) -> Normaliser | None:
        """Return what a headset's new line begins with: the model's, or its person's; or none."""
        if (training := model.contract.training_normaliser) is not None:
            return training
        profile = self._in_use.get(identifier)
        return None if profile is None or fits(profile, model) else profile.normaliser

    # A collection's course.

    def _advance(self, identifier: str, prediction: Prediction | None = None) -> None:
        under_way = self._under_way.get(identifier)
        if under_way is None:
            return
        collection, line = under_way.collection, self._line(identifier)
        if collection.finished:
            self._finish(identifier, under_way, prediction)
        elif line is None or line.monitor is not under_way.monitor:
            self.lost(identifier)
        elif self._clock() > under_way.deadline:
            self._fail(
                identifier,
                f"found {told.progress(collection)}, in {_PATIENCE * collection.seconds} s; see "
                "that the electrodes touch and the person sits still, then begin again",
            )
        else:
            now = told.collecting(identifier, under_way.profile, collection)
            if now != self._told[identifier]:
                self._tell(now)

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
        self._apply(profile, told.applied(identifier, profile, done.collection, before))

    def _fail(self, identifier: str, why: str) -> None:
        ended = self._end(identifier)
        if ended is not None:
            in_use = self._in_use.get(identifier)
            self._tell(told.failed(identifier, ended.profile, ended.collection, why, in_use))

    def _end(self, identifier: str) -> _UnderWay | None:
        """Take a collection off its line."""
        under_way = self._under_way.pop(identifier, None)
        if under_way is not None:
            under_way.monitor.rest = None
        return under_way

    # A profile's use.

    def _apply(self, profile: Profile, message: Baseline) -> Baseline:
        self._in_use[message.headset] = profile
        if (line := self._line(message.headset)) is not None:
            line.monitor.use(profile.normaliser)
        self._applied[message.headset] = self._utc()
        return self._tell(message)

    def _compare(self, identifier: str, prediction: Prediction) -> None:
        """Keep the last prediction before a profile was applied, and the first one after."""
        applied = self._applied.get(identifier)
        if applied is None:
            return
        message = self._told[identifier]
        # One that was on its way from the poller's thread when the profile was applied is heard
        # afterwards all the same; of one that was just being made nobody knows what it is.
        end, latency = prediction.window.end, prediction.latency_ms
        if end + latency.arrival / 1e3 >= applied:
            del self._applied[identifier]
            self._tell(message.model_copy(update={"after": prediction}))
        elif end + latency.total / 1e3 < applied:
            self._told[identifier] = message.model_copy(update={"before": prediction})

    # What is looked up.

    def _needed_rest(self) -> RestBaseline:
        contract = self._model.contract
        if not isinstance(contract.normaliser, RestBaseline):
            raise BaselineRefused(
                f"found the model {contract.name} {contract.version}, whose normaliser is of its "
                "training people, expected one that uses each person's rest: one's own baseline "
                "would give it an input unlike that of its training. Serve a model that was "
                "trained with rest baselines"
            )
        return contract.normaliser

    def _refuse_while_collecting(self, identifier: str) -> None:
        self._advance(identifier)
        if (under_way := self._under_way.get(identifier)) is not None:
            raise BaselineRefused(
                f"found a collection for headset {identifier} under way, with "
                f"{told.progress(under_way.collection)}, expected none; wait for its end, or "
                f"cancel it with DELETE /v1/headsets/{identifier}/baseline"
            )

    def _live_monitor(self, identifier: str) -> tuple[RestMonitor, Layout]:
        headset = self._lines.headset(identifier) if self._lines else None
        line = self._line(identifier)
        layout = line.monitor.layout if line else None
        if headset is None or line is None or layout is None or headset.state is not State.LIVE:
            stands = f"{headset.state} ({headset.detail})" if headset else "not known"
            raise BaselineRefused(
                f"found headset {identifier} {stands}, expected it live; begin again when its "
                "samples arrive"
            )
        return line.monitor, layout

    def _line(self, identifier: str) -> Line | None:
        return self._lines.line(identifier) if self._lines else None

    def _last_prediction(self, identifier: str) -> Prediction | None:
        """Return the newest prediction of the headset's present connection."""
        last = self._bus.last_prediction(identifier)
        headset = self._lines.headset(identifier) if self._lines else None
        return last if last and headset and last.epoch == headset.epoch else None

    def _new_name(self) -> str:
        taken = {*self.profiles.names(), *(item.profile for item in self._under_way.values())}
        while (name := new_pseudonym(self._random)) in taken:
            continue
        return name

    def _tell(self, message: Baseline) -> Baseline:
        self._told[message.headset] = message
        self._bus.publish(message)
        return message
