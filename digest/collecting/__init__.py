"""How each kind of source is asked: a file a kind, and in `round.py` what they share."""
