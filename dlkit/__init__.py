"""dlkit: learning algorithms from plain files, one command each."""

__version__ = "0.1.0"
