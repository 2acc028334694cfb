"""The processes: one that does everything, or the two halves with a broker between them."""
