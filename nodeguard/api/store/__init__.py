"""Objects: kept in memory as the bytes that are sent, and in one SQLite file as what outlives the process."""
