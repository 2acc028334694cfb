"""Readers of third-party file formats: those that MNE reads, and XDF."""
