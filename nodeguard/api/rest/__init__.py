"""Requests for objects: what they ask for, and what is answered."""
