"""The bus across machines: a NATS broker between processes that read headsets and that serve them.

Predictions, states and events are sent, EEG never. The broker stores nothing: each side keeps the
memory bus that it would have alone, and lost messages are requested again by their position.
"""
