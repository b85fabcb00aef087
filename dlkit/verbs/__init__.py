"""What can be asked of a finished run, and helpers: one file a verb."""
