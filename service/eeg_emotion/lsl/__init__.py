"""Reading headsets over Lab Streaming Layer, and playing recordings into it."""
