"""Brings the events of alarms to webhooks and MQTT brokers, from the event store's outbox."""
