"""The composer: a network that writes the notes of a performance, frame by frame."""
