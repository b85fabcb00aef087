"""The one driver of every command that trains: epochs, metrics, checkpoints, resume, signals, families."""
