"""The fake headset: a recording or a simulated person as an LSL stream, faults included."""
