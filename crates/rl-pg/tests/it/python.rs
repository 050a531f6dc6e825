//! The Python shim, where there is a Python.
