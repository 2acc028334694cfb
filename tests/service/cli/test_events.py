from __future__ import annotations

import contextlib
import time
from pathlib import Path

from tests.support.messages import alarm
from typer.testing import CliRunner, Result

from eeg_emotion.alarms.store.store import EventStore
from eeg_emotion.cli.main import app
from eeg_emotion.publish.alarms import AlarmChange


def purge(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["events", "purge", "--event-store", url, *arguments])


def test_events_are_purged_by_age_and_by_headset(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'events.db'}"
    old = time.time() - 10 * 86_400
    with contextlib.closing(EventStore(url)) as store:
        store.record(
            [
                alarm("a1", time=old),
                alarm("a1", AlarmChange.CLEARED, time=old + 60),
                alarm("a2", time=old),
                alarm("a3", headset="ward-2", time=time.time()),
            ],
            [],
            0.0,
        )
    assert purge(url, "--older-than-days", "11").stdout == "deleted 0 events\n"
    # A raised alarm stays.
    assert purge(url, "--older-than-days", "9").stdout == "deleted 2 events\n"
    assert purge(url, "--headset", "ward-2", "--json").stdout == '{"deleted": 1, "kept": {}}\n'
    assert purge(url, "--headset", "ward-1", "--older-than-days", "9").stdout == (
        "deleted 1 events\n"
    )


def test_raised_alarms_of_a_running_service_are_kept_and_deleted_once_it_has_stopped(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'events.db'}"
    with contextlib.closing(EventStore(url, "lab")) as store:
        store.record([alarm("a1"), alarm("a2")], [], 0.0)
        store.record([alarm("a1", AlarmChange.CLEARED)], [], 0.0)
        done = purge(url, "--headset", "ward-1")
        assert done.exit_code == 1
        assert done.stdout == (
            "deleted 2 events\nkept 1 events of alarms that are raised by the running service "
            "'lab'; to delete them too, stop it and repeat this command\n"
        )
        done = purge(url, "--headset", "ward-1", "--json")
        assert (done.exit_code, done.stdout) == (1, '{"deleted": 0, "kept": {"lab": 1}}\n')
        assert [raised.alarm for raised, _ in store.raised()] == ["a2"]
    done = purge(url, "--headset", "ward-1")
    assert (done.exit_code, done.stdout) == (0, "deleted 1 events\n")
    with contextlib.closing(EventStore(url, "lab")) as store:
        assert store.raised() == []


def test_a_purge_without_a_criterion_is_refused(tmp_path: Path) -> None:
    result = purge(f"sqlite:///{tmp_path / 'events.db'}")
    assert result.exit_code == 2
    assert "--older-than-days" in result.output
    assert not (tmp_path / "events.db").exists()
