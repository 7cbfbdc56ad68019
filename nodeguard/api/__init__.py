"""The Kubernetes API: a process of its own beside the agent, which keeps objects and answers kubectl.

It decides nothing about the node. What it knows of pods comes from the agent over the link (``model/link.py``), and
what users want goes back there. A client that keeps it busy keeps nothing else busy.

May import: nodeguard.model, nodeguard.policy, nodeguard.kernel, nodeguard.runtime, nodeguard.errors.
"""
