"""A person's rest baseline, live: collected, kept by pseudonym, applied."""
