"""The event store: changes of alarms, pending deliveries, and rules added over REST."""
