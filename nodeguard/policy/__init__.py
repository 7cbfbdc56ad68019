"""Decisions: values in, values and plans out.

Holds: rules about pods and nodes, each with its source.
Does not hold: files, sockets, clocks, logging, randomness.
May import: nodeguard.model, nodeguard.errors.
"""
