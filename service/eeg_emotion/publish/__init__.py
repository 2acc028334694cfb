"""Publishing to subscribers: messages, bus, outbox and session. Pure, no I/O."""
