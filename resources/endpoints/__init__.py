"""How the service behind a system is found or started, and how it ends.

`registry` hands out endpoints; nothing here knows a table, a step or a strategy.
It may import `matrix_defs`; drivers are imported only where an endpoint of theirs is asked for.
"""
