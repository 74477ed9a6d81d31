"""Flags that the table of options gives, and those of verbs that have many."""
