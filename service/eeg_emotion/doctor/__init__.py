"""Check what the service depends on, and report what is wrong."""
