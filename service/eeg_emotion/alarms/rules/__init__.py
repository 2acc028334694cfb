"""Rules over the predictions: from many uncertain numbers to few, justified alarms."""
