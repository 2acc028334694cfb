"""The bus across machines: a NATS broker between those who read headsets and those who serve.

Predictions, states and events travel, EEG never. The broker stores nothing: each side keeps the
memory bus it would have alone, and what was lost on the way is asked for again by its position.
"""
