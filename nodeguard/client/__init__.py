"""The API's client, for the commands of ``cli``: requests, watches and streams over the agent's socket.

May import: nodeguard.model, nodeguard.errors.
"""
