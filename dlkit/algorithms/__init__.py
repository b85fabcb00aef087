"""The algorithms, one file a command, and what they share."""
