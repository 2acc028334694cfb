"""Alert rules, dashboard and runbook: that they are valid and refer to what exists."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.dockerfile import DOCKER
from tests.support.needs import the_program

from eeg_emotion.metrics.broker import Traffic
from eeg_emotion.metrics.metrics import Metrics

OBSERVE = DOCKER / "observe"
PROMETHEUS_OWN = {"up", "ALERTS"}


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((OBSERVE / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def dashboard() -> dict[str, Any]:
    path = OBSERVE / "grafana/dashboards/eeg-emotion.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def provisioned(name: str) -> dict[str, Any]:
    folder = OBSERVE / "grafana/provisioning" / name
    (path,) = folder.iterdir()
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


@cache
def exported() -> set[str]:
    """Return the names of all metrics that a process with a broker exports."""
    metrics = Metrics()
    metrics.watch_broker(lambda: Traffic(connected=True))
    metrics.show_model(name="demo", version="1", sha256="ab")
    metrics.delivered_to("mqtt", "delivered")
    metrics.show_events(undelivered={"mqtt": 1}, unwritten=0)
    families = list(text_string_to_metric_families(generate_latest(metrics.registry).decode()))
    return {sample.name for family in families for sample in family.samples} | {
        # A counter without label values has no sample yet.
        f"{family.name}_total"
        for family in families
        if family.type == "counter"
    }


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [the_program("promtool"), *words], cwd=OBSERVE, capture_output=True, text=True
    )


@pytest.mark.needs("promtool")
@pytest.mark.parametrize(
    "words",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "--lint-fatal", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
    ],
)
def test_promtool_finds_no_errors(words: tuple[str, ...]) -> None:
    checked = promtool(*words)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_each_alert_fires_and_stays_silent_as_expected() -> None:
    tests = yaml.safe_load((OBSERVE / "alerts_test.yml").read_text(encoding="utf-8"))["tests"]
    tried = [case for test in tests for case in test["alert_rule_test"]]
    firing = {case["alertname"] for case in tried if case["exp_alerts"]}
    assert firing == {alert["alert"] for alert in alerts()}
    for test in tests:
        processes = set(re.findall(r'process="(\w+)"', str(test["input_series"])))
        for case in test["alert_rule_test"]:
            fired = {alert["exp_labels"]["process"] for alert in case["exp_alerts"]}
            assert fired < processes


def expressions() -> list[str]:
    shown = [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]
    return shown + [alert["expr"] for alert in alerts()]


@pytest.mark.parametrize("expression", expressions())
def test_every_scraped_metric_is_exported(expression: str) -> None:
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|(?:by|unless|on) \([^)]*\)", "", expression)
    names = set(re.findall(r"\b(?:emotion|process)_\w+|\bup\b", bare))
    assert names
    assert names <= exported() | PROMETHEUS_OWN


def test_the_dashboard_is_where_grafana_looks_for_it() -> None:
    compose = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
    mounts = dict(each.split(":")[:2] for each in compose["services"]["grafana"]["volumes"])
    (provider,) = provisioned("dashboards")["providers"]
    assert mounts["./observe/grafana/dashboards"] == provider["options"]["path"]
    home = compose["services"]["grafana"]["environment"][
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"
    ]
    assert home == f"{provider['options']['path']}/eeg-emotion.json"
    (source,) = provisioned("datasources")["datasources"]
    used = {panel["datasource"]["uid"] for panel in dashboard()["panels"]}
    assert used == {source["uid"]}


def test_the_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_the_scraped_processes_are_those_of_the_profiles() -> None:
    found = yaml.safe_load((OBSERVE / "prometheus.yml").read_text(encoding="utf-8"))
    (job,) = found["scrape_configs"]
    (names,) = job["dns_sd_configs"]
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))["services"]
    reported = {
        name: service["environment"]["EEG_EMOTION_METRICS_PORT"]
        for name, service in services.items()
        if "EEG_EMOTION_METRICS_PORT" in service.get("environment", {})
    }
    assert reported == dict.fromkeys(names["names"], str(names["port"]))


def test_the_runbook_covers_exactly_the_alerts() -> None:
    runbook = (DOCKER.parent / "docs" / "how-to" / "runbook.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (\w+)$", runbook, re.MULTILINE)
    assert sections == [alert["alert"] for alert in alerts()]
    for section in re.split(r"^## ", runbook, flags=re.MULTILINE)[1:]:
        if section.split("\n", 1)[0] in sections:
            assert "```console\n$ " in section, "the first command to type"
