"""docs/reference/limits.md states the code's numbers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi import FastAPI

from eeg_emotion.api import arrivals, body_limit, request_head, server
from eeg_emotion.metrics.metrics import REFUSALS

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "limits.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (r"with its query \| (\S+) bytes", request_head.LONGEST_LINE_BYTES),
        (r"one header with its name \| (\S+) bytes", request_head.LONGEST_FIELD_BYTES),
        (r"\| headers \| (\S+) \|", request_head.MOST_FIELDS),
        (r"all headers \| (\S+) bytes", request_head.LONGEST_HEAD_BYTES),
        (r"\| body \| (\S+) bytes", body_limit.LARGEST_BODY_BYTES),
        (r"answer before it \| (\S+) s", arrivals.PATIENCE_SECONDS),
        (r"to send a request \| (\S+) s in all", arrivals.PATIENCE_SECONDS),
        (r"to read an answer \| (\S+) s without", arrivals.PATIENCE_SECONDS),
        (r"bytes are spread \| (\S+) \|", arrivals.MOST),
        (r"as it takes \| (\S+) \|", arrivals.MOST_AT_ENDPOINTS),
    ],
)
def test_a_number_is_the_code_s(found: str, expected: float) -> None:
    (stated,) = re.findall(found, PAGE)
    assert float(stated.replace(",", "")) == expected


def test_the_time_to_send_another_request_is_uvicorn_s() -> None:
    kept = server.make_server(FastAPI()).config.timeout_keep_alive
    assert f"to send another request | {kept} s without a byte" in PAGE


def test_every_reason_is_one_of_the_metric_s() -> None:
    for reason in ("malformed", "timeout", "crowded", "unread"):
        assert f"`{reason}`" in PAGE
        assert reason in REFUSALS
