"""Profile material: profile files, and libraries of references."""
