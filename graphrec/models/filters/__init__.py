"""Linear filters of a user's signal, solved and not trained."""
