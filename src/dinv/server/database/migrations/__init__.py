"""How the schema has come about, a file a step. `scripts/migration` writes the next from schema.py."""
