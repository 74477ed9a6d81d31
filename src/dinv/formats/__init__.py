"""Text and bytes in the forms of others: tables, sizes, JSON, templates, tar. Nothing here knows a machine."""
