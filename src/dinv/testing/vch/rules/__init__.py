"""VIC's own rules: its errors, versions, fields, ports and filter specifications."""
