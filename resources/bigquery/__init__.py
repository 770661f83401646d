"""BigQuery: its Dagster resource, its types table and its SQL.

Import the concrete submodules; this package re-exports nothing. It may import `matrix_defs` and the shared modules of
`resources`.
"""
