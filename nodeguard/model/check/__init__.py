"""What Kubernetes would refuse, and what nodeguard cannot do: every fault of an object at once.

Holds: the comparison of objects with the field table, and the rules that reach across fields.
Does not hold: defaults, decisions.
May import: the standard library, nodeguard.model.
"""
