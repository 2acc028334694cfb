"""Alarms: rules evaluated on the predictions, an event store, and delivery of events."""
