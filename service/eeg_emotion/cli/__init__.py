"""The command `eeg-emotion`: thin shells, one module a verb or two."""
