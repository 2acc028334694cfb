"""What is told to subscribers: messages, bus and outbox. Pure, no I/O."""
