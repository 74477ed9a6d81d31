"""HTTP: the page and the API."""
