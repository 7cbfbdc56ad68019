"""Doors to Linux: one function, one file or system call. No decisions.

Holds: cgroup drivers, mounts, namespaces, processes, safe paths.
May import: nodeguard.model, nodeguard.errors; cgroupspy in ``cgroup/v1.py`` alone, pyroute2 in ``netlink.py`` alone.
"""
