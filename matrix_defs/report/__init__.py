"""What the report says: pure functions from artifacts to words, rows and lines.

Here live the contents of the page, of `summary.md`, of `junit.xml` and of the history; how the page looks is in
`resources/templates/report`, reading and writing files in `resources.report`. It may import the pure parts of
`matrix_defs`, pyarrow and junitparser.
"""
