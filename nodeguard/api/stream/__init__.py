"""What flows: logs, exec, attach, port-forward."""
