"""Tries to disprove that a courier that is killed at any point loses no letter and repeats none unasked."""
