"""The model's contract and the ONNX model that carries it."""
