"""Offline prediction: run a recording through the live signal path, into a file."""
