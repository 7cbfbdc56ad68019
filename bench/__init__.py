"""Measurements in one run on one machine: nodeguard beside bare conmon + runc and, where installed, podman.

``python -m bench`` as root; ``--rounds`` says how often, ``--only`` which. Milliseconds differ from machine to machine
and from day to day, so what counts are the ratios within one run.
"""
