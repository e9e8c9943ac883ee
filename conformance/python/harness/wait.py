"""Waiting for a condition instead of for a time."""
import time


def until(condition, seconds: float = 15, why=lambda: "the condition never held"):
    """Returns what `condition` returns as soon as that is true."""
    end = time.monotonic() + seconds
    pause = 0.002
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(why() if callable(why) else why)
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
