"""The Open Inference Protocol (KServe V2), for clients that speak it."""
