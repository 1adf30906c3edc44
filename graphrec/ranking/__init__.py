"""A fitted model made ready for questions: the best items, whole ranks, scores of pairs, similar items."""
