"""The errors of the matrix, grouped by what the caller does about them.

Here live only exception types. Messages are written where the error is raised: what, where, which value, what to do.
It imports nothing.
"""


class MatrixError(Exception):
    """Base of every error that the matrix raises on purpose; its text is one line that a user can act on."""


class UsageError(MatrixError):
    """The caller asked for something that does not exist or does not fit. Exit code 2, nothing was started."""


class SystemUnavailableError(MatrixError):
    """A system that the case needs cannot be had here and now. The case is `not_run` with this text as its reason."""


class ForeignNameError(MatrixError):
    """A name that is no case's own was about to be created, changed or dropped. Nothing was sent: a bug if raised."""


class ReadError(MatrixError):
    """A source could not be read completely. The case is `failed`; no step of the load has run."""


class LoadError(MatrixError):
    """A sink refused or broke a load. The case is `failed`; target and position are as they were before the load."""


class UnsupportedStepError(MatrixError):
    """A plan asks a system for a step that it declares impossible. Exclusions prevent that: a bug if raised."""
