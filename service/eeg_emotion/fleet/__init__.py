"""All headsets: discovered, followed each by its own pipeline, lost and found again."""
