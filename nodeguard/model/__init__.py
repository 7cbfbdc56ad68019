"""What things are: frozen values, no behaviour beyond reading themselves.

Holds: quantities, pods, nodes, cgroup values, statuses, events, and the field table that describes manifests.
Does not hold: files, sockets, clocks, decisions.
May import: the standard library, nodeguard.errors; PyYAML in ``document.py`` alone.
"""
