"""All headsets: found, followed each on a line of its own, lost and found again."""
