"""Patches and who owns which field: values in, values out."""
