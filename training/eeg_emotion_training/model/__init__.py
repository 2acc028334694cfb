"""A model for use: fitted, exported, described."""
