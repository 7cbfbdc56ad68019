"""Cgroup drivers: v1, v2 and hybrid behind one protocol (``driver.py``)."""
