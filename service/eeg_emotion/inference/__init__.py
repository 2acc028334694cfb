"""The model's contract and the ONNX model that carries it."""

import os

# Else onnxruntime, from 1.29 on, keeps an identifier of the machine in the user's cache folder and
# reports to its maker which models are run. It reads this once, at its first use; its own call to
# switch that off comes too late for the first report.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
