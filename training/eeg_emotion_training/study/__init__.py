"""A study as tasks that can run anywhere."""
