"""WHAT is certified: pure values and functions, no drivers and no I/O.

Import the concrete submodules; this package re-exports nothing, so that importing a case list never pulls in a driver.
"""
