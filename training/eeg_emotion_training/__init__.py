"""Offline trainer: DEAP or simulated people in, one ONNX file with its contract out."""
