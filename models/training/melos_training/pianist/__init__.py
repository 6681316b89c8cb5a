"""The pianist: turns notes, and how they are played, into the log-mel of one of several pianos."""
