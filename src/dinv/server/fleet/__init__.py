"""What there is and who may have it. Only SQL: nothing here talks to an endpoint."""
