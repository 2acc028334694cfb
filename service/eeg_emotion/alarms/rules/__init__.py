"""Rules over the stream of estimates: from many uncertain numbers to few, justified alarms."""
