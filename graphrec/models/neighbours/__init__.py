"""Models that score an item by its likeness to what a user has met."""
