"""HOW a system is spoken to: one module or small package per system, and the endpoints that local services run behind.

Import the concrete submodules; this package re-exports nothing. It may import `matrix_defs` (except its composition
root) and the drivers, never `assets`.
"""
