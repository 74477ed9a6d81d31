"""What operators put there: templates and endpoints."""
