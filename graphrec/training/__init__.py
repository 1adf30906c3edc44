"""A model and batches to weights, a history and checkpoints."""
