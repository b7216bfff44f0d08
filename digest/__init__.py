"""A self-hosted letter of trending papers, personal to each reader."""

__version__ = "0.1.0"
