"""What tests of several parts share."""

from __future__ import annotations

import gc
import os
import signal
import uuid

import pytest

from eeg_emotion.lsl.configuration import configure
from eeg_emotion.own_folders import moved_to

# Their assertions report values, as those of the tests do.
pytest.register_assert_rewrite("tests.support")

pytest_plugins = [
    "tests.support.needs",
    "tests.support.measured",
    "tests.support.service",
    "tests.support.browser",
]

# The service does this itself; some tests import onnxruntime before it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"


@pytest.hookimpl(trylast=True)  # after the random order
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long, or one worker would end alone with one of them."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


# A shell starts what it runs in the background with Ctrl-C ignored, and so would be all that tests
# start: here it is listened to, however the tests were started.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Spare the collector what stays, and most of its rounds, which took a sixth of some files."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def lsl_session() -> str:
    """Configure LSL for this test process alone, on this machine alone.

    Gives the session id. A process that a test starts calls `configure` with it itself, or with
    another one where it is meant not to be seen. It is for every test: liblsl's own default, which
    its first use takes, would look beyond this machine.
    """
    session_id = uuid.uuid4().hex
    configure(session_id=session_id)
    return session_id


@pytest.fixture(scope="session", autouse=True)
def data_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the user's own profiles and keys out of every test, and of what tests start."""
    os.environ |= moved_to(tmp_path_factory.mktemp("home"))
