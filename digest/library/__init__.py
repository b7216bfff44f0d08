"""Profile material: profile files in and out."""
