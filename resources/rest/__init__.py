"""REST as a source: a generic client, the source and the Dagster resource.

Import the submodules directly; nothing is re-exported here.
It may import `matrix_defs`, pyarrow, numpy, httpx, tenacity and Dagster.
"""
