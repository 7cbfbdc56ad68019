"""When things happen: the loop, and the only room where policy, kernel and runtime meet.

May import: nodeguard.model, nodeguard.policy, nodeguard.kernel, nodeguard.runtime, nodeguard.errors.
"""
