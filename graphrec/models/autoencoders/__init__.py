"""Models that compute a row from the vector of a user's interactions."""
