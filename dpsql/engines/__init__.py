"""Engines: text in, rows out. They know nothing of privacy."""
