"""The offline twin: a recording through the live path, to a file of predictions."""
