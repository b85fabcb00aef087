"""Modules, initialisers, optimizers, schedules, and the training step that all neural algorithms share."""
