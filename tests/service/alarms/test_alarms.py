from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.alarms import EXCITED, LOST, Start, TroubledStore, World

from eeg_emotion.alarms.alarms import AlarmRefused, UnknownAlarm
from eeg_emotion.alarms.rulebook import RuleRefused
from eeg_emotion.alarms.rules.rule import Rule
from eeg_emotion.alarms.store.store import StoreError
from eeg_emotion.codes import State
from eeg_emotion.publish.alarms import AlarmChange
from eeg_emotion.publish.outbox import Outbox

RAISED, ACKNOWLEDGED, CLEARED = AlarmChange


async def test_an_alarm_is_stored_and_published_with_its_evidence(start: Start) -> None:
    async with start() as world:
        world.state(State.LIVE)
        world.window(0.9)
        (event,) = await world.until_published(1)
        assert (event.change, event.headset, event.rule) == (RAISED, "a", "excited")
        assert event.time == world.now
        assert event.evidence is not None
        assert (event.evidence.arousal, event.evidence.state) == (0.9, State.LIVE)
        assert event.simulated, "the headset's own metadata say so"
        assert world.kept() == [event]
        assert [alarm.alarm for alarm in world.alarms.raised("a")] == [event.alarm]
        assert world.alarms.raised("b") == ()

        world.window(0.1)
        _, over = await world.until_published(2)
        assert (over.change, over.alarm, over.id != event.id) == (CLEARED, event.alarm, True)
        assert world.alarms.raised("a") == ()


async def test_subscribers_receive_alarms(start: Start) -> None:
    async with start() as world:
        listener = Outbox(lambda: None)
        world.bus.attach(listener, lambda _: True)
        world.bus.subscribe(listener, ["a"])
        world.window(0.9)
        await world.until_published(1)
        assert [frame.name for frame in listener.take()] == ["prediction", "alarm"]


async def test_an_alarm_is_written_before_it_is_published(
    start: Start, store: TroubledStore
) -> None:
    async with start() as world:
        store.open.clear()
        world.window(0.9)
        await world.until(lambda: store.tried > 0)
        assert not world.reported
        store.open.set()
        await world.until_published(1)
        assert world.kept() == world.reported


async def test_an_alarm_does_not_wait_for_a_store_that_hangs(
    start: Start, store: TroubledStore
) -> None:
    async with start() as world:
        store.open.clear()
        world.window(0.9)
        world.window(0.1)
        raised, over = await world.until_published(2)
        assert (raised.change, over.change) == (RAISED, CLEARED)
        store.open.set()
        await world.until(lambda: len(world.kept()) == 2)
        assert world.reported == world.kept(), "published once, and kept all the same"


async def test_events_that_a_failed_store_missed_are_written_when_it_is_back(
    start: Start, store: TroubledStore
) -> None:
    async with start() as world:
        store.failing = True
        world.window(0.9)
        (event,) = await world.until_published(1)
        assert "buy one" in (world.alarms.trouble or "")
        assert not world.kept()
        assert world.alarms.unwritten == 1
        store.failing = False
        await world.until(lambda: world.kept() == [event])
        await world.until(lambda: world.alarms.trouble is None)
        assert (world.reported, world.alarms.unwritten) == ([event], 0)


async def test_deliveries_are_pending_in_the_store(start: Start, store: TroubledStore) -> None:
    async with start(EXCITED, EXCITED | {"name": "private"}) as world:
        world.window(0.9)
        await world.until_published(2)
        assert store.waiting() == {"hook": 1}
        delivery = store.next_delivery("hook")
        assert delivery is not None
        assert delivery.event.rule == "excited"
        await world.until(lambda: world.woken > 0)


async def test_a_lost_signal_raises_an_alarm_without_further_messages(start: Start) -> None:
    async with start() as world:
        world.state(State.LIVE)
        world.window(0.9)
        world.state(State.LOST)
        await world.until_published(1)
        world.now += 5
        raised = await world.until_published(2)
        assert [event.rule for event in raised] == ["excited", "lost"]
        assert [alarm.rule for alarm in world.alarms.raised("a")] == ["excited", "lost"], (
            "silence is no proof that a person has calmed down"
        )


async def test_an_alarm_continues_under_its_id_after_a_restart(
    start: Start, store: TroubledStore
) -> None:
    async with start() as world:
        world.window(0.9)
        (first,) = await world.until_published(1)
        await world.alarms.acknowledge(first.alarm, "ann", None)
    async with start() as world:
        (raised,) = world.alarms.raised("a")
        assert (raised.alarm, raised.acknowledged_by) == (first.alarm, "ann")
        assert (raised.since, raised.text) == (first.time, first.text)
        world.now += 100
        world.window(0.9)
        world.window(0.1)
        (over,) = await world.until_published(1)
        assert (over.alarm, over.change) == (first.alarm, CLEARED)
        assert not store.raised()


async def test_a_rule_removed_over_a_restart_clears_its_alarm(start: Start) -> None:
    async with start() as world:
        world.window(0.9)
        (first,) = await world.until_published(1)
    async with start(LOST) as world:
        (over,) = await world.until_published(1)
        assert (over.alarm, over.change) == (first.alarm, CLEARED)
        assert "no longer in force" in (over.note or "")
        assert world.alarms.raised("a") == ()


async def test_a_rule_edited_over_a_restart_clears_its_alarm_and_may_raise_another(
    start: Start,
) -> None:
    async with start(EXCITED) as world:
        world.window(0.9)
        (first,) = await world.until_published(1)
        await world.alarms.acknowledge(first.alarm, "ann", None)
    async with start(EXCITED | {"text": "Most excited."}) as world:
        world.now += 100
        world.window(0.9)
        over, second = await world.until_published(2)
        assert (over.alarm, over.change) == (first.alarm, CLEARED)
        assert "its rule was changed" in (over.note or "")
        assert (second.change, second.text) == (RAISED, "Most excited.")
        assert second.alarm != first.alarm
        (now,) = world.alarms.raised("a")
        assert (now.alarm, now.acknowledged_by) == (second.alarm, None)


async def test_a_rule_put_over_rest_that_another_service_edited_clears_its_alarm_at_a_start(
    start: Start, store: TroubledStore
) -> None:
    async with start(LOST) as world:
        await world.alarms.put_rule(Rule.model_validate(EXCITED))
        world.window(0.9)
        (first,) = await world.until_published(1)
    edited = Rule.model_validate(EXCITED | {"severity": "critical"})
    store.put_rule("excited", edited.model_dump_json(by_alias=True))
    async with start(LOST) as world:
        (over,) = await world.until_published(1)
        assert (over.alarm, over.change) == (first.alarm, CLEARED)


# Requests


async def test_an_acknowledged_alarm_stays_raised_and_names_who_acknowledged_it(
    start: Start,
) -> None:
    async with start() as world:
        world.window(0.9)
        (raised,) = await world.until_published(1)
        said = await world.alarms.acknowledge(raised.alarm, "ann", "on my way")
        assert (said.change, said.by, said.note) == (ACKNOWLEDGED, "ann", "on my way")
        assert world.reported == world.kept() == [raised, said]
        (now,) = world.alarms.raised("a")
        assert now.acknowledged_by == "ann"


async def test_invalid_acknowledgements_are_refused(start: Start) -> None:
    async with start() as world:
        world.window(0.9)
        (raised,) = await world.until_published(1)
        with pytest.raises(UnknownAlarm, match="raised=true"):
            await world.alarms.acknowledge("0" * 32, "ann", None)
        await world.alarms.acknowledge(raised.alarm, "ann", None)
        with pytest.raises(AlarmRefused, match="already acknowledged by ann"):
            await world.alarms.acknowledge(raised.alarm, "bob", None)
        world.window(0.1)
        await world.until_published(3)
        with pytest.raises(UnknownAlarm):
            await world.alarms.acknowledge(raised.alarm, "bob", None)


async def test_without_the_store_nothing_is_acknowledged(
    start: Start, store: TroubledStore
) -> None:
    async with start() as world:
        world.window(0.9)
        (raised,) = await world.until_published(1)
        store.failing = True
        with pytest.raises(StoreError):
            await world.alarms.acknowledge(raised.alarm, "ann", None)
        (now,) = world.alarms.raised("a")
        assert now.acknowledged_by is None
        assert world.reported == [raised]


async def test_the_store_has_an_alarm_before_its_acknowledgement(
    start: Start, store: TroubledStore
) -> None:
    async with start() as world:
        store.failing = True
        world.window(0.9)
        (raised,) = await world.until_published(1)
        store.failing = False
        await world.alarms.acknowledge(raised.alarm, "ann", None)
        assert [event.change for event in world.kept()] == [RAISED, ACKNOWLEDGED]
        await world.until(lambda: world.alarms.unwritten == 0)
        assert [event.change for event in world.kept()] == [RAISED, ACKNOWLEDGED]


async def test_of_two_simultaneous_acknowledgements_the_second_is_refused(start: Start) -> None:
    async with start() as world:
        world.window(0.9)
        (raised,) = await world.until_published(1)
        answers = await asyncio.gather(
            *(world.alarms.acknowledge(raised.alarm, who, None) for who in ("ann", "bob")),
            return_exceptions=True,
        )
        assert [type(answer).__name__ for answer in answers] == ["Alarm", "AlarmRefused"]


async def test_rules_are_added_and_deleted_while_it_runs(start: Start) -> None:
    async with start(LOST) as world:
        world.window(0.9)
        await world.alarms.put_rule(Rule.model_validate(EXCITED))
        world.window(0.9)
        (raised,) = await world.until_published(1)
        assert await world.alarms.delete_rule("excited")
        _, over = await world.until_published(2)
        assert (over.alarm, over.change) == (raised.alarm, CLEARED)
        world.window(0.9)
        assert not await world.alarms.delete_rule("excited")
        assert len(world.reported) == 2
        with pytest.raises(RuleRefused):
            await world.alarms.delete_rule("lost")


async def test_services_that_share_a_store_clear_only_their_own_alarms(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'events.db'}"
    with closing(TroubledStore(url, "one")) as one, closing(TroubledStore(url, "two")) as two:
        first, second = World(one, [EXCITED], "one"), World(two, [EXCITED], "two")
        async with first.running(), second.running():
            # One rule, one headset, one time: two alarms all the same.
            first.window(0.9)
            second.window(0.9)
            (ours,), (theirs,) = await first.until_published(1), await second.until_published(1)
            assert ours.time == theirs.time
            assert ours.alarm != theirs.alarm

            second.window(0.1)
            _, cleared = await second.until_published(2)
            assert (cleared.change, cleared.alarm) == (CLEARED, theirs.alarm)
            with pytest.raises(UnknownAlarm, match="acknowledge an alarm at the one that raised"):
                await second.alarms.acknowledge(ours.alarm, "nurse", None)
        # A start without that rule clears nothing either.
        async with World(two, [], "two").running():
            assert [raised.alarm for raised, _ in one.raised()] == [ours.alarm]
        again = World(one, [EXCITED], "one")
        assert [alarm.alarm for alarm in again.alarms.raised("a")] == [ours.alarm]
