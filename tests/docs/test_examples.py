"""Each file of docs/examples/ is run as a user would run it."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from tests.support.browser import Page, program
from tests.support.command import command
from tests.support.messages import status
from tests.support.ports import free_port
from tests.support.processes import line_of
from tests.support.proxy import Proxy
from tests.support.service import Service
from tests.support.xdf import xdf

from eeg_emotion.access.access import Access
from eeg_emotion.access.origins import Origins
from eeg_emotion.alarms.rules.engine import RuleEngine
from eeg_emotion.alarms.rules.presets import read_rules_named
from eeg_emotion.codes import Reason, State
from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.offline.file import COLUMNS
from eeg_emotion.publish.messages import Prediction, Score, WindowSpan
from eeg_emotion.recordings.simulation import SimulatedPerson

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
SHOWN_ONLY = {"index.md"}  # the page that shows the others
HEADSET = "my-headset-1"

Predict = Callable[..., Prediction]
Serving = Callable[..., contextlib.AbstractAsyncContextManager[str]]


def example(name: str) -> Path:
    """Return the path of an example; tests get it from here alone."""
    return EXAMPLES / name


def test_every_example_is_run_by_a_test() -> None:
    run = set(re.findall(r'\bexample\("([^"]+)"\)', Path(__file__).read_text(encoding="utf-8")))
    assert {path.name for path in EXAMPLES.iterdir()} - {"__pycache__"} == run | SHOWN_ONLY


def test_every_example_is_shown_on_the_page() -> None:
    page = (EXAMPLES / "index.md").read_text(encoding="utf-8")
    files = {path.name for path in EXAMPLES.iterdir()} - {"__pycache__"} - SHOWN_ONLY
    assert not [name for name in files if f"[{name}]({name})" not in page]


# ---- programs of a user


def environment(session: str, folder: Path) -> dict[str, str]:
    """A user's environment in which LSL reaches this session on this machine only."""
    configuration = folder / "lsl_api.cfg"
    # The range of ports is the daemon's: both sides must use the same.
    configuration.write_text(
        "[ports]\nPortRange = 512\nIPv6 = disable\n[multicast]\nResolveScope = machine\n"
        f"[lab]\nKnownPeers = {{127.0.0.1}}\nSessionID = {session}\n[log]\nlevel = -3\n"
    )
    return {
        **os.environ,
        "EEG_EMOTION_SESSION_ID": session,
        "LSLAPICFG": str(configuration),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONUNBUFFERED": "1",
    }


@contextlib.asynccontextmanager
async def running(
    *words: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None
) -> AsyncIterator[Process]:
    """Run a program; its lines are what it prints."""
    env = env or {**os.environ, "PYTHONUNBUFFERED": "1"}
    async with program(*words, stdout=PIPE, stderr=STDOUT, env=env, cwd=cwd) as process:
        yield process


async def until_line(process: Process, *words: str) -> str:
    """Wait for a line with all these words, and return it."""
    said = []
    async with asyncio.timeout(60):
        while line := await line_of(process):
            if all(word in line for word in words):
                return line
            said.append(line)
    raise AssertionError(f"found no line with {words} in {said}")


async def interrupt(process: Process) -> list[str]:
    """Press Ctrl-C, and return the last lines of a program that then ends well."""
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(60):
        assert process.stdout is not None
        rest = (await process.stdout.read()).decode().splitlines()
        assert await process.wait() == 0, rest
    return rest


@contextlib.asynccontextmanager
async def served(port: int, *options: str, env: dict[str, str]) -> AsyncIterator[Process]:
    """Run `eeg-emotion serve` until it answers."""
    words = ("eeg-emotion", "serve", "--port", str(port), *options)
    async with running(*words, env=env) as process, httpx.AsyncClient() as client:

        async def answers() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return (await client.get(f"http://127.0.0.1:{port}/livez")).is_success
            return False

        async with asyncio.timeout(60):
            while not await answers():  # noqa: ASYNC110  # it does not say so to us
                await asyncio.sleep(0.1)
        yield process


# ---- watch.py


async def test_watch_prints_estimates_and_reasons_across_a_restart_of_the_service(
    service: Service, serving: Serving, prediction: Predict
) -> None:
    service.headsets.add("h1")
    low = Score(probability=0.2, label="low")
    no = Score(probability=None, label=None)
    unscored = {"valid": False, "arousal": no, "valence": no, "reasons": (Reason.POOR_CONTACT,)}
    async with serving() as address, Proxy(address) as proxy:
        words = (sys.executable, example("watch.py"), f"http://{proxy.address}")
        async with running(*words) as watch:
            assert await line_of(watch) == "model demo-simulated, trained on simulated people"
            service.bus.publish(prediction("h1", 0, valence=low))
            assert (await line_of(watch)).endswith("h1: arousal high (0.75), valence low (0.20)")
            service.bus.publish(prediction("h1", 1, **unscored))
            why = f"{Reason.POOR_CONTACT.sentence} {Reason.POOR_CONTACT.remedy}"
            assert (await line_of(watch)).endswith(f"h1: no score. {why}")
            for _ in range(2):
                service.bus.publish(status("h1", State.STALE, "no samples for 2 s"))
            service.bus.publish(prediction("h1", 2))
            assert await line_of(watch) == "h1 (simulated) is stale: no samples for 2 s"
            assert "arousal high" in await line_of(watch)  # the same status is printed once

            service.bus = type(service.bus)()  # a new process knows nothing of before
            service.bus.publish(prediction("h1", 0, epoch="e1"))
            proxy.cut()
            assert (await line_of(watch)).startswith("connected again after: ")
            assert await line_of(watch) == "some predictions may be missing of: h1"
            assert "arousal high" in await line_of(watch)
            assert await interrupt(watch) == ["stopped"]


def test_watch_ends_with_a_message_where_no_service_is() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    done = subprocess.run(
        [sys.executable, example("watch.py"), address], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("watch.py: ")
    assert len(done.stderr.splitlines()) == 1


# ---- headset.py


async def test_the_doctor_accepts_the_headset_scripts_metadata(
    lsl_session: str, tmp_path: Path
) -> None:
    words = (sys.executable, example("headset.py"))
    async with running(*words, env=environment(lsl_session, tmp_path)) as headset:
        assert (await line_of(headset)).startswith("sending 32 channels at 128 Hz as 'My headset'")
        options = ("--seconds", "0", "--session-id", lsl_session, "--json")
        done = await asyncio.to_thread(command, "doctor", *options)
        assert await interrupt(headset) == ["stopped"]
    (stream,) = [
        each for each in json.loads(done.stdout)["streams"] if each["source_id"] == HEADSET
    ]
    assert stream["check"] == "accepted"
    assert stream["simulated"] is True


@pytest.mark.needs("time")
async def test_the_headset_script_is_watched_across_a_real_restart(tmp_path: Path) -> None:
    env = environment(uuid.uuid4().hex, tmp_path)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    async with running(sys.executable, example("headset.py"), env=env) as headset:
        await until_line(headset, "sending")
        async with running("eeg-emotion", "doctor", "--seconds", "6", env=env) as doctor:
            found = [await until_line(doctor, "stream ")]
            while line := await line_of(doctor):
                found.append(line)
            assert await doctor.wait() == 0, found
        assert found[0].endswith(": good")
        text = "\n".join(found)
        assert "32 of the model's 32 measured" in text
        assert "0 missing in 0 gaps" in text
        assert "stamps: regular" in text
        assert "quality   1.00 overall" in text
        origin = "http://localhost:5173"  # the page's, by its own comment
        assert f"--origin {origin}" in example("page.html").read_text(encoding="utf-8")
        async with (
            served(port, "--origin", origin, env=env) as first,
            httpx.AsyncClient() as client,
            running(sys.executable, example("watch.py"), address, env=env) as watch,
        ):
            await until_line(watch, HEADSET, "(simulated) is live")
            code = await client.get(f"{address}/static/client.js", headers={"Origin": origin})
            assert code.headers["Access-Control-Allow-Origin"] == origin
            await until_line(watch, HEADSET, "no score. ", Reason.WARMING_UP.sentence)
            await until_line(watch, HEADSET, "arousal ", "valence ")
            await interrupt(first)
            async with served(port, env=env):
                await until_line(watch, "connected again after: ")
                await until_line(watch, HEADSET, "arousal ", "valence ")
                assert (await interrupt(watch))[-1] == "stopped"
        assert await interrupt(headset) == ["stopped"]


# ---- page.html


def page_for(address: str, folder: Path) -> Path:
    """Copy the page, and name the service in it as its comment says."""
    text = example("page.html").read_text(encoding="utf-8")
    before = 'const SERVICE = "http://127.0.0.1:8000";'
    assert text.count(before) == 1
    path = folder / "page.html"
    path.write_text(text.replace(before, f'const SERVICE = "http://{address}";'), encoding="utf-8")
    return path


@contextlib.asynccontextmanager
async def site(folder: Path) -> AsyncIterator[str]:
    """Serve a folder as the page's comment says; yield its origin."""
    port = free_port()
    words = (sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1")
    async with running(*words, cwd=folder) as server:
        await until_line(server, "Serving HTTP")
        yield f"http://localhost:{port}"


async def shown(page: Page, name: str, text: str) -> None:
    """Wait until an element of the page shows a text."""
    element = f"document.getElementById({json.dumps(name)})"
    await page.value(
        f"""new Promise((done, failed) => {{
            const wanted = {json.dumps(text)};
            const look = (tries) => {{
                const now = {element}.hidden ? "(hidden)" : {element}.textContent;
                if (now.includes(wanted)) done();
                else if (tries === 0) failed(new Error(`found ${{now}}, expected ${{wanted}}`));
                else setTimeout(look, 20, tries - 1);
            }};
            look(3000);
        }})"""
    )


async def test_the_page_of_another_origin_shows_estimates_and_reasons(
    page: Page, service: Service, serving: Serving, prediction: Predict, tmp_path: Path
) -> None:
    def recent(seq: int, **changes: Any) -> Prediction:
        now = time.time()
        return prediction("h1", seq, window=WindowSpan(start=now - 5, end=now), **changes)

    nasty = "<img src=x onerror=\"document.title='broken in'\">"
    headset = service.headsets.add("h1").model_copy(update={"name": nasty})
    service.headsets.known["h1"] = headset
    no = Score(probability=None, label=None)
    async with site(tmp_path) as origin:
        service.access = Access(origins=Origins.parse([origin]))
        async with serving() as address:
            page_for(address, tmp_path)
            await page.open(f"{origin}/page.html")
            await shown(page, "connection", "Service: connected.")
            await shown(page, "simulated", "Simulated")
            await shown(page, "headset", f"{nasty} (live)")
            service.bus.publish(recent(0))
            await shown(page, "arousal", "high (0.75)")
            await shown(page, "valence", "high (0.75)")
            reasons = (Reason.NOT_WORN,)
            service.bus.publish(recent(1, valid=False, arousal=no, valence=no, reasons=reasons))
            await shown(page, "why", f"No score. {Reason.NOT_WORN.sentence}")
            await shown(page, "arousal", "–")
            service.bus.publish(recent(2))
            await shown(page, "arousal", "high")
            service.bus.publish(status("h1", State.STALE, "no samples for 2 s"))
            await shown(page, "why", "No score. no samples for 2 s")
            await shown(page, "arousal", "–")
            service.bus.publish(status("h1", State.LIVE))
            service.bus.publish(recent(3))
            await shown(page, "arousal", "high")
            await shown(page, "why", "No score. The newest window is too old.")
            assert await page.value("document.title") == "My page"
            assert page.complaints == []
            hosts = {url.split("/")[2] for url in page.addresses}
            assert hosts == {origin.removeprefix("http://"), address}
        # The service is gone: an old estimate must not stay on the page.
        await shown(page, "why", "No score. There is no connection to the service.")


async def test_the_page_says_what_to_do_where_its_origin_is_not_allowed(
    page: Page, serving: Serving, tmp_path: Path
) -> None:
    async with serving() as address, site(tmp_path) as origin:
        page_for(address, tmp_path)
        await page.open(f"{origin}/page.html")
        await shown(page, "connection", f"start it with --origin {origin}")


def test_the_page_sets_no_html() -> None:
    text = example("page.html").read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)


# ---- rule.toml


def test_the_rules_raise_and_clear_as_they_state(prediction: Predict) -> None:
    engine = RuleEngine(read_rules_named(str(example("rule.toml"))))
    tense = {
        "arousal": Score(probability=0.8, label="high"),
        "valence": Score(probability=0.2, label="low"),
    }
    calm = {
        "arousal": Score(probability=0.5, label="unsure"),
        "valence": Score(probability=0.5, label="unsure"),
    }
    no = Score(probability=None, label=None)
    off = {"valid": False, "arousal": no, "valence": no, "reasons": (Reason.NOT_WORN,)}
    events = [
        (seq, event.rule.name, str(event.change))
        for seq in range(80)
        for event in engine.on_message(
            prediction("h1", seq, **(tense if seq < 30 else off if seq < 50 else calm)),
            1e9 + seq + 5,
        )
    ]
    assert events == [
        (20, "tense", "raised"),
        (35, "electrodes-off", "raised"),
        (55, "electrodes-off", "cleared"),
        (60, "tense", "cleared"),  # not while nothing was known
    ]


@pytest.mark.needs("time")
async def test_the_rules_are_tried_on_a_recording_and_used_by_the_service(tmp_path: Path) -> None:
    samples = SimulatedPerson(5, 1).run(0, 128.0).next(60 * 128, 0.9, -0.9)
    recording = xdf(tmp_path / "recording.xdf", {"EEG": samples}, labels=DEAP32, simulated=True)
    rules = shutil.copy(example("rule.toml"), tmp_path)
    plot = tmp_path / "plot.html"
    done = command("what-if", rules, recording, "--plot", plot, "--json")
    assert done.returncode == 0, done.stderr
    tried = json.loads(done.stdout)
    assert [alarm["rule"] for alarm in tried["alarms"]] == ["tense"]
    assert set(tried["by_rule"]) == {"tense", "electrodes-off"}

    env = environment(uuid.uuid4().hex, tmp_path)
    port = free_port()
    store = f"sqlite:///{tmp_path / 'events.db'}"
    async with (
        served(port, "--rules", str(rules), "--event-store", store, env=env),
        httpx.AsyncClient() as client,
    ):
        listed = (await client.get(f"http://127.0.0.1:{port}/v1/rules")).json()
    assert "tense" in json.dumps(listed)


# ---- labels_to_live.py


@pytest.mark.needs("time")
@pytest.mark.timeout(300)
async def test_a_table_of_labels_becomes_a_model_that_is_served_live(tmp_path: Path) -> None:
    seconds = 8  # of a trial, the first 3 of which settle the filters: one window
    rows = ["file,person,trial,start,stop,arousal,valence"]
    for number in range(3):  # the fewest: one trains, one chooses the step, one is held out
        person = SimulatedPerson(5, number).run(0, 128.0)
        states = [(0.8, 0.8), (0.8, -0.8), (-0.8, 0.8), (-0.8, -0.8)]
        trials = [person.next(128 * seconds, *state) for state in states]
        for trial, state in enumerate(states):
            start = seconds * trial
            labels = ",".join("high" if side > 0 else "low" for side in state)
            place = f"p{number}.xdf,p{number},t{trial},{start + 3},{start + seconds}"
            rows.append(f"{place},{labels}")
        signal_of = {"EEG": np.concatenate(trials, axis=1)}
        xdf(tmp_path / f"p{number}.xdf", signal_of, labels=DEAP32, simulated=True)
    table = tmp_path / "trials.csv"
    table.write_text("\n".join(rows) + "\n")

    env = environment(uuid.uuid4().hex, tmp_path)
    model = tmp_path / "models" / "mine-simulated"
    words = (sys.executable, example("labels_to_live.py"), table, model)
    async with running(*words, "--steps", "20", "--units", "4", env=env) as training:
        said = (await training.communicate())[0].decode()
    assert training.returncode == 0, said
    lines = said.splitlines()
    for target in ("arousal", "valence"):
        (line,) = [line for line in lines if re.match(rf"{target}: .* Of SIMULATED people", line)]
        assert re.match(rf"{target}: balanced accuracy [01]\.\d\d \(95 % .* over 4 trials\. ", line)
        assert ", 1 trained it, 1 chose the step, 1 held out: p" in line
    assert "0.5 is chance." in said
    (serve,) = [line for line in lines if line.startswith("eeg-emotion serve ")]
    assert serve == f"eeg-emotion serve --model {model}.onnx --purpose demo"

    port = free_port()
    async with (
        running(sys.executable, example("headset.py"), env=env),
        served(port, *serve.split()[2:], env=env),
        running(sys.executable, example("watch.py"), f"http://127.0.0.1:{port}", env=env) as watch,
    ):
        await until_line(watch, "model mine-simulated, trained on simulated people")
        await until_line(watch, HEADSET, "arousal ", "valence ")


@pytest.mark.needs("time")
def test_labels_that_cannot_be_used_are_refused_with_the_place(tmp_path: Path) -> None:
    table = tmp_path / "trials.csv"
    table.write_text("file,person,trial,start,stop,arousal\nmissing.xdf,p1,t1,0,10,high\n")
    words: list[str | Path]
    words = [sys.executable, example("labels_to_live.py"), table, tmp_path / "mine"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1
    assert "eeg-emotion-train: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.needs("time")
def test_a_name_that_hides_that_people_are_simulated_is_refused_before_a_fit(
    tmp_path: Path,
) -> None:
    xdf(tmp_path / "p1.xdf", {"EEG": np.zeros((32, 1280))}, labels=DEAP32, simulated=True)
    table = tmp_path / "trials.csv"
    # One person is too few for a fit, which says so before it trains anything.
    rows = ("p1.xdf,p1,t1,0,5,high", "p1.xdf,p1,t2,5,10,low")
    table.write_text("\n".join(["file,person,trial,start,stop,arousal", *rows, ""]))
    model = tmp_path / "mine"
    words = [sys.executable, str(example("labels_to_live.py")), str(table)]
    done = subprocess.run([*words, str(model)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, ""), "a command was begun"
    (suggested,) = re.findall(
        r"expected one that contains 'simulated', such as (\S+)\n", done.stderr
    )
    # With the suggested name it goes on, to what is wrong with this table.
    done = subprocess.run([*words, suggested], capture_output=True, text=True)
    assert done.stdout.startswith("$ eeg-emotion-train fit ")
    assert "found the name" not in done.stderr


# ---- recording.ipynb and its file


def test_the_notebook_is_kept_without_outputs() -> None:
    cells = json.loads(example("recording.ipynb").read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) > 2
    assert [(cell["outputs"], cell["execution_count"]) for cell in code] == [([], None)] * len(code)


def test_the_notebooks_file_is_a_simulated_persons() -> None:
    with example("simulated-person.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(COLUMNS)
    assert {row["simulated"] for row in rows} == {"true"}
    assert {row["valid"] for row in rows} == {"true", "false"}


@pytest.mark.needs("time")
def test_the_notebook_runs_and_draws_no_line_across_a_gap(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    shutil.copy(example("simulated-person.csv"), tmp_path)
    notebook = nbformat.read(example("recording.ipynb"), as_version=4)
    seen = (
        "import json\n"
        "lines = [line for line in top.lines if line.get_linestyle() == '-']\n"
        "print(json.dumps([[float(y) for y in line.get_ydata()] for line in lines]))"
    )
    notebook.cells.append(nbformat.v4.new_code_cell(seen))
    place = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3", resources=place).execute()
    outputs = [each for cell in notebook.cells[:-1] for each in cell.get("outputs", ())]
    assert [each for each in outputs if "image/png" in each.get("data", {})]
    text = "".join(each.text for each in outputs if each.output_type == "stream")
    assert "SIMULATED" in text
    with example("simulated-person.csv").open(encoding="utf-8", newline="") as file:
        valid = [row["valid"] == "true" for row in csv.DictReader(file)]
    drawn = json.loads(notebook.cells[-1].outputs[0].text)
    assert [[not np.isnan(value) for value in values] for values in drawn] == [valid, valid]


@pytest.mark.needs("time")
def test_the_notebooks_file_is_what_its_commands_make(tmp_path: Path) -> None:
    notebook = json.loads(example("recording.ipynb").read_text(encoding="utf-8"))
    text = "".join(notebook["cells"][0]["source"])
    commands = re.findall(r"^ {4}(eeg-emotion.*)$", text, re.MULTILINE)
    assert len(commands) == 2
    for words in commands:
        env = environment(uuid.uuid4().hex, tmp_path)
        subprocess.run(words.split(), cwd=tmp_path, env=env, check=True, capture_output=True)
    tables = []
    for path in (tmp_path / "simulated-person.csv", example("simulated-person.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            tables.append(list(csv.DictReader(file)))
    made, kept = tables
    assert len(made) == len(kept)
    numbers = ("arousal_probability", "valence_probability")
    for one, other in zip(made, kept, strict=True):
        for name in numbers:
            found, expected = one.pop(name), other.pop(name)
            # It is float32, and processors differ in the last digit.
            assert float(found or "nan") == pytest.approx(
                float(expected or "nan"), abs=2e-6, nan_ok=True
            )
        assert one == other
