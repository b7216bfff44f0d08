"""`digest doctor`: is everything in order that letters need on their way? One file for each group of checks."""
