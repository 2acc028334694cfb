from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from tests.support.messages import alarm
from tests.support.postgresql import PASSWORD

from eeg_emotion.alarms.store.store import EventStore, StoreError
from eeg_emotion.publish.alarms import Alarm, AlarmChange

RAISED, ACKNOWLEDGED, CLEARED = AlarmChange.RAISED, AlarmChange.ACKNOWLEDGED, AlarmChange.CLEARED


def kept(
    store: EventStore,
    *,
    headset: str | None = None,
    raised: bool = False,
    before: int | None = None,
    limit: int = 100,
    hidden: str = "",
) -> list[Alarm]:
    found = store.events(
        may_read=lambda name: name != hidden,
        headset=headset,
        raised=raised,
        before=before,
        limit=limit,
    )
    return [stored.event for stored in found]


def test_an_event_and_its_deliveries_are_stored_and_read_back_unchanged(url: str) -> None:
    store = EventStore(url)
    (stored,) = store.record([alarm()], ["hook", "mqtt"], 101.0)
    store.close()
    store = EventStore(url)

    assert kept(store) == [alarm()]
    delivery = store.next_delivery("hook")
    assert delivery is not None
    assert (delivery.number, delivery.event) == (stored.number, alarm())
    assert (delivery.attempts, delivery.due) == (0, 101.0)
    assert store.waiting() == {"hook": 1, "mqtt": 1}
    assert store.next_delivery("another") is None
    store.close()


def test_an_event_recorded_twice_is_stored_and_delivered_once(
    store: EventStore,
) -> None:
    store.record([alarm(), alarm()], ["hook"], 101.0)
    assert store.record([alarm()], ["hook", "late"], 102.0) == []

    assert kept(store) == [alarm()]
    assert store.waiting() == {"hook": 1}


def test_deliveries_are_pending_in_order_until_they_end(store: EventStore) -> None:
    store.record([alarm(), alarm(change=CLEARED)], ["hook"], 101.0)
    first = store.next_delivery("hook")
    assert first is not None

    store.postponed("hook", first.number, 111.0, "503")
    again = store.next_delivery("hook")
    assert again is not None
    assert (again.number, again.attempts, again.due) == (first.number, 1, 111.0)

    store.delivered("hook", first.number, 112.0)
    second = store.next_delivery("hook")
    assert second is not None
    assert second.event.change is CLEARED

    store.given_up("hook", second.number, 113.0, "gone")
    assert store.next_delivery("hook") is None
    assert store.waiting() == {}


def test_deliveries_to_a_removed_target_are_given_up(store: EventStore) -> None:
    store.record([alarm()], ["hook", "mqtt"], 101.0)

    assert store.keep_targets(["mqtt"], 102.0) == 1
    assert store.waiting() == {"mqtt": 1}
    assert store.keep_targets([], 102.0) == 1
    assert store.waiting() == {}


def test_an_alarm_is_raised_until_it_is_cleared(store: EventStore) -> None:
    seen = alarm("a2", ACKNOWLEDGED, by="nurse")
    store.record([alarm("a1"), alarm("a2"), seen, alarm("a3")], [], 101.0)
    store.record([alarm("a1", CLEARED)], [], 102.0)

    assert store.raised() == [(alarm("a2"), seen), (alarm("a3"), None)]
    assert kept(store, raised=True) == [alarm("a3"), seen, alarm("a2")]


def test_events_are_paged_newest_first_and_only_readable_ones_are_returned(
    store: EventStore,
) -> None:
    many = [alarm(f"a{n}", headset="secret" if n % 3 else "open") for n in range(1200)]
    numbers = [stored.number for stored in store.record(many, [], 101.0)]

    assert kept(store, limit=2) == [many[1199], many[1198]]
    assert kept(store, limit=2, before=numbers[1198]) == [many[1197], many[1196]]
    # More than a batch of unreadable events lies between.
    readable = [event for event in reversed(many) if event.headset == "open"]
    assert kept(store, limit=1000, hidden="secret") == readable
    assert kept(store, headset="open", limit=1) == [many[1197]]


def test_purging_by_age_spares_raised_alarms(store: EventStore) -> None:
    over = [alarm("a1", time=10.0), alarm("a1", CLEARED, time=20.0)]
    store.record([*over, alarm("a2", time=10.0), alarm("a3", time=50.0)], ["hook"], 51.0)
    store.record([alarm("a3", CLEARED, time=60.0)], [], 61.0)

    assert store.purge(40.0, None).deleted == 2
    assert kept(store) == [
        alarm("a3", CLEARED, time=60.0),
        alarm("a3", time=50.0),
        alarm("a2", time=10.0),
    ]
    assert store.waiting() == {"hook": 2}


def test_purging_a_headset_deletes_all_of_its_events_and_no_others(store: EventStore) -> None:
    store.record([alarm("a1", headset="gone"), alarm("a2", headset="stays")], ["hook"], 101.0)

    assert store.purge(None, "gone").deleted == 1
    assert kept(store) == [alarm("a2", headset="stays")]
    assert store.waiting() == {"hook": 1}


def test_what_is_left_of_an_alarm_whose_beginning_was_purged_is_not_raised(
    store: EventStore,
) -> None:
    store.record([alarm("a1", time=10.0), alarm("a1", ACKNOWLEDGED, time=50.0)], [], 51.0)

    assert store.purge(40.0, "ward-1").deleted == 1
    assert (kept(store, raised=True), store.raised()) == ([], [])
    assert store.purge(60.0, None).deleted == 1


def test_numbers_are_not_reused_after_a_purge(store: EventStore) -> None:
    (first,) = store.record([alarm("a1")], [], 101.0)
    store.purge(None, "ward-1")
    (second,) = store.record([alarm("a2")], [], 102.0)

    assert second.number > first.number


def test_rules_are_added_replaced_and_deleted(store: EventStore) -> None:
    store.put_rule("b", "{}")
    store.put_rule("a", "1")
    store.put_rule("a", "2")

    assert store.rules() == {"a": "2", "b": "{}"}
    assert store.delete_rule("a")
    assert not store.delete_rule("a")
    assert store.rules() == {"b": "{}"}


def test_several_threads_lose_nothing(store: EventStore) -> None:
    def write(thread: int) -> None:
        for n in range(20):
            store.record([alarm(f"t{thread}-{n}")], ["hook"], 101.0)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(kept(store)) == 80
    assert store.waiting() == {"hook": 80}


_WRITE_AND_DIE = """
import os, signal, sys
from tests.support.messages import alarm
from eeg_emotion.alarms.store.store import EventStore
EventStore(sys.argv[1]).record([alarm()], ["hook"], 101.0)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_killed_right_after_recording_loses_nothing(url: str) -> None:
    done = subprocess.run([sys.executable, "-c", _WRITE_AND_DIE, url], check=False)
    assert done.returncode == -signal.SIGKILL

    store = EventStore(url)
    assert kept(store) == [alarm()]
    assert store.waiting() == {"hook": 1}
    store.close()


def test_an_event_of_a_later_release_is_read_and_an_unreadable_one_is_reported(url: str) -> None:
    EventStore(url).close()
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    row = text(
        "INSERT INTO eeg_emotion_event (id, alarm, headset, change, time, json) "
        "VALUES (:id, 'x', 'ward-1', 'raised', 1, :json)"
    )
    later = alarm().encode().replace("{", '{"of_later": 1, ', 1)
    with engine.begin() as connection:
        connection.execute(row, {"id": "later", "json": later})
    store = EventStore(url)
    assert kept(store) == [alarm()]

    with engine.begin() as connection:
        connection.execute(row, {"id": "broken", "json": "{}"})
    with pytest.raises(StoreError, match=r"an event that this release cannot read"):
        kept(store)
    engine.dispose()
    store.close()


def test_tables_of_another_release_are_refused(url: str) -> None:
    EventStore(url).close()
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE eeg_emotion_schema SET version = 99"))
    engine.dispose()

    with pytest.raises(StoreError, match=r"found tables of version 99, expected 2"):
        EventStore(url)


def test_a_health_check_detects_missing_tables(url: str, store: EventStore) -> None:
    store.check()
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE eeg_emotion_schema"))
    engine.dispose()

    with pytest.raises(StoreError, match=r"expected a database that can be read"):
        store.check()


class TestSqlite:
    def test_the_file_is_readable_by_its_owner_only(self, tmp_path: Path) -> None:
        store = EventStore(f"sqlite:///{tmp_path / 'new' / 'events.db'}")
        store.record([alarm()], [], 101.0)

        modes = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "new").iterdir()}
        assert modes["events.db"] == modes["events.db-wal"] == 0o600
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
        store.close()

    def test_purged_events_are_no_longer_in_the_file(self, tmp_path: Path) -> None:
        store = EventStore(f"sqlite:///{tmp_path / 'events.db'}")
        store.record([alarm(f"a{n}", headset="somebody") for n in range(50)], ["hook"], 101.0)
        files = list(tmp_path.iterdir())
        assert any(b"somebody" in file.read_bytes() for file in files)

        store.purge(None, "somebody")

        assert not any(b"somebody" in file.read_bytes() for file in tmp_path.iterdir())
        store.close()

    def test_a_file_that_is_not_a_database_is_refused_and_left_unchanged(
        self, tmp_path: Path
    ) -> None:
        file = tmp_path / "events.db"
        file.write_text("dear diary " * 1000)

        with pytest.raises(StoreError, match=r"file is not a database"):
            EventStore(f"sqlite:///{file}")
        assert file.read_text() == "dear diary " * 1000

    def test_an_impossible_location_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()

        with pytest.raises(StoreError, match=r"choose another place"):
            EventStore(f"sqlite:///{tmp_path / 'file' / 'events.db'}")

    def test_a_locked_file_is_reported_and_written_later(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("eeg_emotion.alarms.store.database._BUSY_SECONDS", 0.2)
        url = f"sqlite:///{tmp_path / 'events.db'}"
        store = EventStore(url)
        other = create_engine(url)
        with other.connect() as holder:
            holder.execute(text("BEGIN IMMEDIATE"))
            with pytest.raises(StoreError, match=r"database is locked"):
                store.record([alarm()], [], 101.0)
            holder.rollback()
        other.dispose()

        assert len(store.record([alarm()], [], 101.0)) == 1
        store.close()


@pytest.mark.parametrize("url", ["mysql://x/y", "not a url", "sqlite://", "sqlite:///:memory:"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(StoreError, match=r"expected sqlite:///PATH or postgresql://"):
        EventStore(url)


class TestPostgres:
    def test_a_wrong_password_is_reported_without_showing_it(self, postgres: str) -> None:
        wrong = postgres.replace(PASSWORD, "guessed-wrong")

        with pytest.raises(StoreError, match=r"password authentication failed") as reported:
            EventStore(f"{wrong}/postgres")
        assert "guessed-wrong" not in str(reported.value)

    def test_a_missing_server_is_reported(self, postgres: str) -> None:
        with pytest.raises(StoreError, match=r"check that the server runs") as reported:
            EventStore(f"postgresql://owner:{PASSWORD}@127.0.0.1:1/postgres")
        assert PASSWORD not in str(reported.value)
