"""Labelled EEG: where it comes from, and its windows."""
