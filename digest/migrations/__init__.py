"""Alembic migrations: `digest` brings a store up to date on first use."""
