"""Who asks, at a terminal. Makes exit codes of errors and text of values; decides nothing.

May import: every room; click and rich live here alone. Commands import what they need when they run.
"""
