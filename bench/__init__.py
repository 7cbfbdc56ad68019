"""Measurements in one run on one machine: nodeguard beside others who do the same, or who do as little as can be done.

``python -m bench`` as root does all three parts, ``python -m bench race`` one of them; ``--help`` lists the choices.

start  from the command to the first output, and to the end: beside bare conmon + runc and, where installed, podman
race   from a crossed threshold until the one who crossed it can take no more: beside pollers, earlyoom, a bare SIGKILL
idle   what nodeguard itself takes while nothing happens, with 10 and 100 pods

Milliseconds differ from machine to machine and from day to day, so what counts are the ratios within one run.
"""
