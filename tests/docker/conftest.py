"""A NATS server's program."""

from tests.support.broker import nats_server

__all__ = ["nats_server"]
