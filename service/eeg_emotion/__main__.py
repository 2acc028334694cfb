"""`python -m eeg_emotion` is the command `eeg-emotion`."""

from eeg_emotion.cli.main import main

if __name__ == "__main__":
    main()
