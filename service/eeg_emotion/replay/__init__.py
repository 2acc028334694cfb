"""The replayed headset: a recording or a simulated person as an LSL stream, with faults."""
