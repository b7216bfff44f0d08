"""What is kept, in SQLite or PostgreSQL. The only SQL."""
