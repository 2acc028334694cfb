"""Where events are delivered, as the settings name it. It needs no package of the extra."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

MQTT_PORTS = {"mqtt": 1883, "mqtts": 8883}
"""Schemes of an MQTT broker's address, with the port where it names none."""

NO_ADDRESS = "found no address of a webhook, expected http://… or https://…"

_SECRET_PREFIX = "whsec_"  # noqa: S105  # the prefix of every secret, not a secret
_SECRET_BYTES = range(24, 65)


class WebhookSettings(BaseModel):
    """Where events are posted, and the secret that signs them."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9][a-z0-9-]{0,63}$",
            description="As the log and the metrics name it: small letters, digits and hyphens.",
        ),
    ]
    # Secret, because some services put a credential into the path.
    url: Annotated[SecretStr, Field(description="Its address, `http://…` or `https://…`.")]
    secret: Annotated[
        SecretStr,
        Field(description="What posts are signed with: `whsec_` and the base64 of random bytes."),
    ]
    headsets: Annotated[
        tuple[str, ...],
        Field(min_length=1, description="Ids of headsets, or patterns, whose events are posted."),
    ] = ("*",)

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: SecretStr) -> SecretStr:
        try:
            parsed = urlsplit(url.get_secret_value())
            known = (
                parsed.scheme in {"http", "https"} and bool(parsed.hostname) and parsed.port != 0
            )
        except ValueError:
            known = False
        if not known:
            raise ValueError(NO_ADDRESS)
        if "@" in parsed.netloc:
            raise ValueError(
                "found a user name or password in the URL, expected none; remove them: the "
                "signature authenticates the sender"
            )
        return url

    @field_validator("secret")
    @classmethod
    def _is_secret(cls, secret: SecretStr) -> SecretStr:
        text = secret.get_secret_value()
        try:
            size = len(base64.b64decode(text.removeprefix(_SECRET_PREFIX), validate=True))
        except binascii.Error:
            size = 0
        if not text.startswith(_SECRET_PREFIX) or size not in _SECRET_BYTES:
            raise ValueError(
                f"found a value that is not a webhook secret, expected {_SECRET_PREFIX} followed "
                f"by {_SECRET_BYTES[0]} to {_SECRET_BYTES[-1]} random bytes in base64; make one "
                f'with: echo "{_SECRET_PREFIX}$(openssl rand -base64 32)"'
            )
        return secret


class MqttSettings(BaseModel):
    """The broker, and the topic that events are published under."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    # Secret, because it may contain a password.
    url: Annotated[
        SecretStr,
        Field(description="`mqtt://USER:PASSWORD@HOST:PORT`, or `mqtts://…` with TLS."),
    ]
    topic: Annotated[
        str,
        Field(
            pattern=r"^[^+#$\x00][^+#\x00]*$",
            max_length=200,
            description="Events are published at `TOPIC/HEADSET/alarm`.",
        ),
    ] = "eeg-emotion"

    @field_validator("url")
    @classmethod
    def _is_broker(cls, url: SecretStr) -> SecretStr:
        try:
            parsed = urlsplit(url.get_secret_value())
            known = parsed.scheme in MQTT_PORTS and bool(parsed.hostname) and parsed.port != 0
        except ValueError:
            known = False
        if not known or parsed.path.strip("/") or parsed.query:
            raise ValueError(
                "found a URL that is not an MQTT broker's, expected "
                "mqtt://[USER:PASSWORD@]HOST[:PORT] or mqtts://…"
            )
        return url
