"""Tables of who met what: read, checked, cut into parts, kept on a disk; knows nothing of models."""
