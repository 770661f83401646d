"""ClickHouse: its types table, dialect, source side, sink side and Dagster resource.

Import the concrete submodules; this package re-exports nothing.
"""
