"""Models of zero hops: embeddings of users and items, and what is made of a pair of them."""
