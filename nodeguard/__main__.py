"""``python -m nodeguard`` is the ``nodeguard`` command."""

from nodeguard.cli.entry import main

if __name__ == "__main__":
    main()
