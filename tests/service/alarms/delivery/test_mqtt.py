from __future__ import annotations

import asyncio
import contextlib
import queue
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from pydantic import SecretStr
from tests.support.certificates import self_signed
from tests.support.delivery import running
from tests.support.messages import alarm
from tests.support.ports import free_port
from tests.support.waiting import until

from eeg_emotion.alarms.delivery import mqtt
from eeg_emotion.alarms.delivery.mqtt import Mqtt
from eeg_emotion.alarms.delivery.sender import Retry
from eeg_emotion.alarms.delivery.settings import MqttSettings
from eeg_emotion.alarms.delivery.worker import DeliveryWorker
from eeg_emotion.alarms.store.store import EventStore
from eeg_emotion.publish.alarms import AlarmChange

Broker = Callable[..., contextlib.AbstractContextManager[subprocess.Popen[bytes]]]
ANYBODY = "allow_anonymous true"


def made(port: int, user: str = "", **settings: str) -> Mqtt:
    return Mqtt(MqttSettings(url=SecretStr(f"mqtt://{user}127.0.0.1:{port}"), **settings))


def properties_of(message: paho.MQTTMessage) -> Any:
    """Return its properties, whose attributes are known when it has come."""
    assert message.properties is not None
    return message.properties


@contextlib.contextmanager
def listening(port: int, topic: str) -> Iterator[queue.SimpleQueue[paho.MQTTMessage]]:
    """Subscribe as any client would."""
    received: queue.SimpleQueue[paho.MQTTMessage] = queue.SimpleQueue()
    ready: queue.SimpleQueue[Any] = queue.SimpleQueue()
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_message = lambda *given: received.put(given[2])
    client.on_subscribe = lambda *given: ready.put(given[3])
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.subscribe(topic, qos=1)
    ready.get(timeout=60)
    try:
        yield received
    finally:
        client.disconnect()
        client.loop_stop()


async def test_an_event_arrives_at_a_subscriber_with_its_properties(broker: Broker) -> None:
    port = free_port()
    sender = made(port, topic="plant/eeg")
    with broker(port, ANYBODY), listening(port, "plant/eeg/+/alarm") as received:
        await sender.send(alarm(headset="ward/1 #"))
        message = await asyncio.to_thread(received.get, timeout=60)
        await sender.aclose()

    assert message.topic == "plant/eeg/ward%2F1%20%23/alarm"
    assert message.payload.decode() == alarm(headset="ward/1 #").encode()
    assert (message.qos, message.retain) == (1, False)
    properties = properties_of(message)
    assert properties.ContentType == "application/json"
    assert dict(properties.UserProperty) == {
        "id": "a1.raised", "change": "raised", "severity": "warning",
    }  # fmt: skip


async def test_one_connection_is_kept_and_reopened_after_a_loss(
    broker: Broker, tmp_path: Path
) -> None:
    port = free_port()
    sender = made(port)
    with broker(port, ANYBODY, "log_type all"):
        await sender.send(alarm("a1"))
        await sender.send(alarm("a2"))
    log = (tmp_path / "mosquitto.log").read_text()
    assert log.count("New client connected") == 1

    with broker(port, ANYBODY), listening(port, "#") as received:
        await sender.send(alarm("a3"))
        assert b'"a3"' in (await asyncio.to_thread(received.get, timeout=60)).payload
    await sender.aclose()


async def test_a_missing_broker_is_reported(broker: Broker) -> None:
    with pytest.raises(Retry, match=r"found no MQTT broker at 127\.0\.0\.1"):
        await made(free_port()).send(alarm())


async def test_a_silent_broker_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "_TIMEOUT_SECONDS", 1.0)
    stop = asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stop.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    sender = made(server.sockets[0].getsockname()[1])
    with pytest.raises(Retry, match=r"found no answer .* expected it to accept"):
        await sender.send(alarm())
    stop.set()
    server.close()
    await sender.aclose()


async def test_a_brokers_refusals_are_reported_without_the_password(
    broker: Broker, tmp_path: Path
) -> None:
    port = free_port()
    passwords, rights = tmp_path / "passwords", tmp_path / "rights"
    make: list[str | Path] = [
        shutil.which("mosquitto_passwd") or "",
        "-b",
        "-c",
        passwords,
        "eeg",
        "pw-1",
    ]
    await asyncio.to_thread(partial(subprocess.run, make, check=True))
    rights.write_text("user eeg\ntopic write allowed/#\n")
    lines = ["allow_anonymous false", f"password_file {passwords}", f"acl_file {rights}"]
    with broker(port, *lines):
        with pytest.raises(Retry, match=r"answered 'Not authorized'") as reported:
            await made(port, "eeg:pw-2@").send(alarm())
        assert "pw-2" not in str(reported.value)

        refused = made(port, "eeg:pw-1@", topic="forbidden")
        with pytest.raises(Retry, match=r"answered 'Not authorized'; .*what this user may publish"):
            await refused.send(alarm())

        allowed = made(port, "eeg:pw-1@", topic="allowed")
        await allowed.send(alarm())
        await allowed.aclose()


# paho leaves the socket of a handshake that failed to the interpreter, which closes it.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
async def test_a_tls_broker_needs_a_certificate_of_a_known_authority_for_its_name(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    key, certificate = self_signed(tmp_path, "127.0.0.1")
    with broker(port, ANYBODY, f"certfile {certificate}", f"keyfile {key}"):

        async def send(host: str) -> None:
            sender = Mqtt(MqttSettings(url=SecretStr(f"mqtts://{host}:{port}")))
            try:
                await sender.send(alarm())
            finally:
                await sender.aclose()

        with pytest.raises(Retry, match=r"self-signed certificate"):
            await send("127.0.0.1")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        await send("127.0.0.1")
        with pytest.raises(Retry, match=r"certificate is not valid for 'localhost'"):
            await send("localhost")


async def test_events_wait_for_a_broker_and_arrive_in_order(
    broker: Broker, store: EventStore
) -> None:
    port = free_port()
    outcomes: list[str] = []
    subscribed = asyncio.Event()

    async def until_subscribed(_: float) -> None:
        await subscribed.wait()

    courier = DeliveryWorker(
        made(port),
        store,
        observe=lambda _, outcome: outcomes.append(outcome),
        utc=lambda: 100.0,
        sleep=until_subscribed,
    )
    changes = list(AlarmChange)
    store.record([alarm(change=change) for change in changes], ["mqtt"], 100.0)
    async with running(courier):
        await until(lambda: outcomes == ["retried"])
        with broker(port, ANYBODY), listening(port, "eeg-emotion/#") as received:
            subscribed.set()
            messages = [await asyncio.to_thread(received.get, timeout=60) for _ in changes]
            await until(lambda: store.waiting() == {})
    reported = [dict(properties_of(message).UserProperty) for message in messages]
    assert [each["change"] for each in reported] == ["raised", "acknowledged", "cleared"]
