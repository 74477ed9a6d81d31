"""The server's database: its schema, how it is brought up to date, and transactions."""
