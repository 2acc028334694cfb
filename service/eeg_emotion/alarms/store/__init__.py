"""The event store: what became of alarms, what is still to be delivered, rules put by REST."""
