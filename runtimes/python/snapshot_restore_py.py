"""Hooks around a snapshot: what a function does before its state is kept, and after it has come back.

The runtime runs those before the snapshot last registered first, those after the restore in their order.
Source: Lambda documentation, "Runtime hooks for Lambda SnapStart" (Python).
"""

_before_snapshot = []
_after_restore = []


def register_before_snapshot(func, *args, **kwargs):
    """Also as a decorator: the function is given back as it was."""
    _before_snapshot.append((func, args, kwargs))
    return func


def register_after_restore(func, *args, **kwargs):
    """Also as a decorator: the function is given back as it was."""
    _after_restore.append((func, args, kwargs))
    return func


def get_before_snapshot():
    return _before_snapshot


def get_after_restore():
    return _after_restore
