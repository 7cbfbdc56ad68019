"""nodeguard: one Linux host that behaves as a Kubernetes node under pressure.

Rooms, read from the top (imports point one way, see tests/test_layers.py):

errors    every exception raised on purpose; anyone may import it
model     what things are: frozen values
policy    what should happen: pure functions of values and ``now``
kernel    how Linux is asked: thin, no decisions
runtime   how runc/crun, conmon, skopeo and umoci are asked
agent     when: the loop, and the only room where the others meet
cli       who asks, at a terminal
"""

__version__ = "0.1.0"
