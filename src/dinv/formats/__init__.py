"""Formats of others: tables, sizes, JSON, templates, tar archives. Nothing here knows a machine."""
