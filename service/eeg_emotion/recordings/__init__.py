"""EEG that lies in files or comes from a simulator."""
