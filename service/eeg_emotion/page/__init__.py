"""The browser's side."""
