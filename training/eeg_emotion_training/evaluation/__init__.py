"""Protocols, scores and tests."""
