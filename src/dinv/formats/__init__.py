"""File and text formats: tables, sizes, JSON, templates, tar archives. Nothing here knows a machine."""
