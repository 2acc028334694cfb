"""Looks at what the service depends on, and says what is wrong."""
