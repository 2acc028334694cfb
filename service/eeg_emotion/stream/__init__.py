"""One headset: its stream let in, its windows judged, and scored."""
