"""Several services on one event store: opened at once, and each with alarms of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from tests.support.messages import alarm

from eeg_emotion.alarms.store.locks import InstanceTaken
from eeg_emotion.alarms.store.purging import Purged
from eeg_emotion.alarms.store.store import EventStore, StoreError
from eeg_emotion.publish.alarms import AlarmChange


def execute(url: str, *statements: str) -> None:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_many_that_open_a_new_store_at_once_all_succeed(url: str) -> None:
    barrier = threading.Barrier(8)
    failures: list[BaseException] = []

    def open_it(number: int) -> None:
        barrier.wait(60)
        try:
            with closing(EventStore(url, f"i{number}")) as store:
                store.record([alarm(f"a{number}")], ["hook"], 101.0)
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=open_it, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failures == []
    for number in range(8):
        with closing(EventStore(url, f"i{number}")) as store:
            assert [raised.alarm for raised, _ in store.raised()] == [f"a{number}"]


def test_an_alarm_is_raised_for_the_instance_that_recorded_it_alone(url: str) -> None:
    with closing(EventStore(url, "one")) as one, closing(EventStore(url, "two")) as two:
        one.record([alarm("a")], ["hook"], 101.0)
        two.record([alarm("b")], ["hook", "mqtt"], 101.0)

        assert [raised.alarm for raised, _ in one.raised()] == ["a"]
        assert [raised.alarm for raised, _ in two.raised()] == ["b"]
        assert (one.waiting(), two.waiting()) == ({"hook": 1}, {"hook": 1, "mqtt": 1})
        deliveries = one.next_delivery("hook"), two.next_delivery("hook")
        assert [found and found.event.alarm for found in deliveries] == ["a", "b"]
        assert one.next_delivery("mqtt") is None
        # A service without targets gives up none of the other's deliveries.
        assert two.keep_targets([], 102.0) == 2
        assert one.waiting() == {"hook": 1}


def test_purging_a_headset_spares_the_raised_alarms_of_running_instances_alone(url: str) -> None:
    with closing(EventStore(url, "runs")) as runs:
        with closing(EventStore(url, "stopped")) as stopped:
            stopped.record([alarm("theirs")], ["hook"], 101.0)
        runs.record([alarm("ours"), alarm("over"), alarm("b", headset="b")], ["hook"], 101.0)
        runs.record([alarm("ours", AlarmChange.ACKNOWLEDGED)], [], 102.0)
        runs.record([alarm("over", AlarmChange.CLEARED)], [], 102.0)

        with closing(EventStore(url)) as store:
            assert store.purge(None, "ward-1") == Purged(3, {"runs": 2})
            assert store.purge(None, "ward-1") == Purged(0, {"runs": 2})
        assert [raised.alarm for raised, _ in runs.raised()] == ["ours", "b"]
        # The name of the one that had stopped is free again.
        with closing(EventStore(url, "stopped")) as stopped:
            assert (stopped.raised(), stopped.waiting()) == ([], {})
        # Once the alarm is cleared, nothing of it needs to be kept.
        runs.record([alarm("ours", AlarmChange.CLEARED)], [], 103.0)
        with closing(EventStore(url)) as store:
            assert store.purge(None, "ward-1") == Purged(3, {})


def test_a_restarted_instance_finds_its_alarms(url: str) -> None:
    with closing(EventStore(url, "one")) as store:
        store.record([alarm("a")], [], 101.0)
        store.record([alarm("a", AlarmChange.ACKNOWLEDGED)], [], 102.0)
    with closing(EventStore(url, "one")) as store:
        ((raised, acknowledged),) = store.raised()
    assert (raised.alarm, acknowledged is not None) == ("a", True)


def test_a_second_instance_of_one_name_is_refused_and_may_take_another_name_or_store(
    url: str, tmp_path: Path
) -> None:
    with closing(EventStore(url, "lab/one")):
        with pytest.raises(InstanceTaken) as refused:
            EventStore(url, "lab/one")
        assert "'lab/one'" in str(refused.value)
        assert "another name with --ingest" in str(refused.value)
        EventStore(url, "lab/two").close()
        EventStore(f"sqlite:///{tmp_path / 'own.db'}", "lab/one").close()
        EventStore(url).close()  # `events purge` needs no name
    EventStore(url, "lab/one").close()


def test_names_that_look_alike_in_a_file_name_are_different_instances(url: str) -> None:
    with closing(EventStore(url, "lab/one")), closing(EventStore(url, "lab-one")):
        pass


_CLAIM_AND_DIE = """
import os, signal, sys
from eeg_emotion.alarms.store.purging import Purged
from eeg_emotion.alarms.store.store import EventStore
store = EventStore(sys.argv[1], "one")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_instance_does_not_block_its_successor(url: str) -> None:
    done = subprocess.run([sys.executable, "-c", _CLAIM_AND_DIE, url], check=False)
    assert done.returncode == -signal.SIGKILL
    EventStore(url, "one").close()


def test_events_of_the_release_before_belong_to_the_first_instance(url: str) -> None:
    with closing(EventStore(url)) as store:
        store.record([alarm("old")], ["hook"], 101.0)
    execute(
        url,
        "ALTER TABLE eeg_emotion_event DROP COLUMN instance",
        "UPDATE eeg_emotion_schema SET version = 1",
    )
    EventStore(url).close()  # such as by `events purge`

    with closing(EventStore(url, "one")) as one, closing(EventStore(url, "two")) as two:
        assert [raised.alarm for raised, _ in one.raised()] == ["old"]
        assert two.raised() == []
        assert one.waiting() == {"hook": 1}


def test_lock_files_are_empty_and_readable_by_their_owner_only(tmp_path: Path) -> None:
    with closing(EventStore(f"sqlite:///{tmp_path / 'events.db'}", "lab/one")):
        locks = [file for file in tmp_path.iterdir() if file.suffix == ".lock"]
        assert len(locks) == 2
        assert {(file.stat().st_size, file.stat().st_mode & 0o777) for file in locks} == {
            (0, 0o600)
        }


@pytest.mark.needs("postgresql")
class TestPostgresql:
    @pytest.fixture
    def url(self, request: pytest.FixtureRequest) -> str:
        """Give the URL of the server that all tests share."""
        return f"{request.getfixturevalue('postgres')}/postgres"

    def test_a_lost_connection_is_replaced_and_the_name_kept(self, url: str) -> None:
        with closing(EventStore(url, "renewed")) as store:
            _end_other_connections(url)
            store.renew()
            with pytest.raises(InstanceTaken):
                EventStore(url, "renewed")

    def test_a_name_that_was_taken_while_the_connection_was_lost_is_reported(
        self, url: str
    ) -> None:
        with closing(EventStore(url, "taken")) as store:
            _end_other_connections(url)
            with closing(EventStore(url, "taken")), pytest.raises(InstanceTaken):
                store.renew()
            store.renew()


def _end_other_connections(url: str) -> None:
    """End the connections of stores, as a restart of the server does, and wait until they are."""
    execute(
        url,
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
