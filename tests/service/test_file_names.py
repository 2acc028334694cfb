from __future__ import annotations

import pytest

from eeg_emotion.file_names import names_device


@pytest.mark.parametrize("name", ["con", "NUL", "aux.json", "Com1", "lpt9.tar.gz", "con .x"])
def test_names_that_windows_reserves_for_devices(name: str) -> None:
    assert names_device(name)


@pytest.mark.parametrize("name", ["console", "p07", "com10", "com", "person.nul", "s01", ""])
def test_names_that_are_files_everywhere(name: str) -> None:
    assert not names_device(name)
