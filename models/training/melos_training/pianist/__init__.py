"""The pianist: notes, and how they are played, to the log-mel of one of several pianos."""
