"""Readers of other makers' files: what MNE reads, and XDF."""
