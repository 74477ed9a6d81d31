"""What VIC itself lays down: its errors, versions, fields, ports and filter specifications."""
