"""Delivery over MQTT 5, the protocol of vehicles and industrial plants."""

from __future__ import annotations

import asyncio
import queue
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from eeg_emotion.alarms.delivery.sender import Retry
from eeg_emotion.alarms.delivery.settings import MQTT_PORTS, MqttSettings
from eeg_emotion.publish.alarms import Alarm

_TIMEOUT_SECONDS = 5.0
_KEEPALIVE_SECONDS = 30
_AT_LEAST_ONCE = 1


class Mqtt:
    """Publishes events to a broker with QoS 1, over one connection.

    The topic is `TOPIC/HEADSET/alarm`; characters of the headset's id that a topic level must not
    contain (`/`, `+`, `#`) are percent-encoded.

    Parameters
    ----------
    settings
        The broker and the topic.
    """

    target = "mqtt"

    def __init__(self, settings: MqttSettings) -> None:
        self._broker = urlsplit(settings.url.get_secret_value())
        self._topic = settings.topic
        self._connection: _Connection | None = None

    def wants(self, event: Alarm) -> bool:
        """Return true for every event: the broker decides who may read which topic."""
        return True

    async def send(self, event: Alarm) -> None:
        """Publish an event and wait for the broker's acknowledgement.

        Raises
        ------
        Retry
            If the broker cannot be reached, refuses the connection or the event, or does not
            answer: all of these can be fixed at the broker.
        """
        await asyncio.to_thread(self._send, event)

    async def aclose(self) -> None:
        """Close the connection."""
        await asyncio.to_thread(self._close)

    def _send(self, event: Alarm) -> None:
        if self._connection is None or not self._connection.up:
            self._close()
            self._connection = _Connection(self._broker)
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.ContentType = "application/json"
        properties.PayloadFormatIndicator = 1  # UTF-8
        properties.UserProperty = [
            ("id", event.id),
            ("change", event.change.value),
            ("severity", event.severity.value),
        ]
        topic = f"{self._topic}/{quote(event.headset, safe='')}/alarm"
        try:
            self._connection.publish(topic, event.encode().encode(), properties)
        except Retry:
            self._close()
            raise

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class _Connection:
    """One connection to a broker, and what it answers."""

    def __init__(self, broker: SplitResult) -> None:
        self._name = broker.hostname
        # The thread of the library puts here what the broker says; one thing is asked at a time.
        self._said: queue.SimpleQueue[ReasonCode | None] = queue.SimpleQueue()
        # An event that is not acknowledged is the outbox's to send again, not the library's.
        self._client = client = paho.Client(
            CallbackAPIVersion.VERSION2,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        client.connect_timeout = _TIMEOUT_SECONDS
        client.on_connect = lambda *given: self._said.put(given[3])
        client.on_publish = lambda *given: self._said.put(given[3])
        client.on_disconnect = lambda *_: self._said.put(None)
        if broker.username is not None:
            password = None if broker.password is None else unquote(broker.password)
            client.username_pw_set(unquote(broker.username), password)
        if broker.scheme == "mqtts":
            client.tls_set()
        try:
            client.connect(
                broker.hostname or "",
                broker.port or MQTT_PORTS[broker.scheme],
                keepalive=_KEEPALIVE_SECONDS,
                clean_start=True,
            )
        except (OSError, ValueError) as error:
            raise Retry(
                f"found no MQTT broker at {self._name} ({error}), expected one; check that it runs "
                "and can be reached from here"
            ) from error
        client.loop_start()
        try:
            self._await("it to accept the connection")
        except Retry:
            self.close()
            raise

    @property
    def up(self) -> bool:
        """Whether the connection is up, as far as is known."""
        return self._client.is_connected()

    def publish(self, topic: str, payload: bytes, properties: Any) -> None:
        """Publish, and wait for the broker's acknowledgement."""
        self._client.publish(topic, payload, _AT_LEAST_ONCE, retain=False, properties=properties)
        self._await("it to acknowledge the event")

    def close(self) -> None:
        """Disconnect, and end the library's thread."""
        self._client.disconnect()
        self._client.loop_stop()

    def _await(self, expected: str) -> None:
        try:
            said = self._said.get(timeout=_TIMEOUT_SECONDS)
        except queue.Empty:
            raise Retry(
                f"found no answer from the MQTT broker {self._name} within {_TIMEOUT_SECONDS:g} s, "
                f"expected {expected}"
            ) from None
        if said is None:
            raise Retry(f"the MQTT broker {self._name} closed the connection")
        if said.is_failure:
            raise Retry(
                f"the MQTT broker {self._name} answered {said.getName()!r}; check the user name "
                "and password in 'mqtt' and what this user may publish"
            )
