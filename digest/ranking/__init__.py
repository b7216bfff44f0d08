"""Papers and interests in, scores and reasons out. Pure: no I/O and no clock."""
