"""The signal path: pure, causal, the same object in training and live."""
