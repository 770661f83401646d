"""WHAT DAGSTER SEES: the partitioned `case_result`, the inventory and the report.

Import the concrete submodules; this package re-exports nothing. It may import `matrix_defs` and `resources`.
"""
