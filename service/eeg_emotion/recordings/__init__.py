"""Recordings: EEG from files or from a simulator."""
