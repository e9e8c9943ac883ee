"""JSON as Lambda's Python runtime reads and writes it, without importing `json` (and `re` behind it).

It uses the interpreter's own C parser and writer directly. Decimals keep their digits, named tuples become
objects, bytes become text; from 3.12 on text is not escaped to ASCII.
"""

import os
import sys

try:
    from _json import encode_basestring, encode_basestring_ascii, make_encoder, make_scanner
except ImportError:  # Another Python than CPython.
    from json.encoder import encode_basestring, encode_basestring_ascii

    make_encoder = make_scanner = None

_BLANKS = " \t\n\r"


class _Rules:
    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = {"-Infinity": float("-inf"), "Infinity": float("inf"), "NaN": float("nan")}.__getitem__


try:
    _scan = make_scanner(_Rules) if make_scanner else None
except (AttributeError, TypeError):  # A newer Python that asks for other rules.
    _scan = None


def loads(data):
    if not isinstance(data, str):
        data = data.decode("utf-8")
    if _scan is not None:
        start, end = 0, len(data)
        while start < end and data[start] in _BLANKS:
            start += 1
        try:
            value, stop = _scan(data, start)
            while stop < end and data[stop] in _BLANKS:
                stop += 1
            if stop == end:
                return value
        except Exception:
            # The parser's own errors need `json` to be loaded; it finds them again, and words them.
            pass
    import json

    return json.loads(data)


_write_text = encode_basestring_ascii


def set_up():
    """Writes from now on as the runtime does that was asked for."""
    global _write_text
    version = os.environ.get("AWS_EXECUTION_ENV", "").rpartition("python3.")[2]
    _write_text = encode_basestring if version.isdigit() and int(version) >= 12 else encode_basestring_ascii


class _Numbers:
    """Decimals leave as marks that no other text can hold, and get their digits at the end."""

    def __init__(self):
        self.mark = None
        self.found = []

    def __call__(self, value):
        decimal = sys.modules.get("decimal")
        if decimal is not None and isinstance(value, decimal.Decimal):
            if value.is_nan():
                return float("nan")
            if self.mark is None:
                self.mark = "lacewing-%s-" % os.urandom(16).hex()
            self.found.append(str(value))
            return "%s%d." % (self.mark, len(self.found) - 1)
        if isinstance(value, bytes):
            return value.decode("utf-8")
        raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)

    def put_back(self, text):
        if self.mark is None:
            return text
        pieces = text.split('"' + self.mark)
        for at in range(1, len(pieces)):
            number, _, rest = pieces[at].partition('."')
            pieces[at] = self.found[int(number)] + rest
        return "".join(pieces)


def dumps(value, write_text=None):
    numbers = _Numbers()
    if "collections" in sys.modules and _holds_special(value):
        value = _plain(value, set())
    write_text = write_text or _write_text
    if make_encoder:
        text = "".join(make_encoder({}, numbers, write_text, None, ": ", ", ", False, False, True)(value, 0))
    else:
        import json

        ascii_only = write_text is encode_basestring_ascii
        text = json.dumps(value, default=numbers, ensure_ascii=ascii_only)
    return numbers.put_back(text)


def ascii_dumps(value):
    return dumps(value, encode_basestring_ascii)


def log_dumps(value):
    """For log entries: whatever JSON does not know is shown as text, so that no entry is lost."""
    if make_encoder:
        return "".join(make_encoder({}, str, encode_basestring, None, ": ", ", ", False, False, True)(value, 0))
    import json

    return json.dumps(value, default=str, ensure_ascii=False)


def _holds_special(value):
    """Whether it holds a named tuple or a key of bytes, which the C writer knows nothing of."""
    seen = set()
    left = [value]
    while left:
        value = left.pop()
        kind = type(value)
        if kind is str or kind is int or kind is float or kind is bool or value is None:
            continue
        if isinstance(value, dict):
            if any(type(key) is bytes for key in value):
                return True
            items = value.values()
        elif isinstance(value, (list, tuple)):
            if kind is not list and kind is not tuple and _is_named_tuple(value):
                return True
            items = value
        else:
            continue
        if id(value) not in seen:
            seen.add(id(value))
            left.extend(items)
    return False


def _is_named_tuple(value):
    return isinstance(value, tuple) and callable(getattr(value, "_asdict", None))


def _plain(value, above):
    """The same with objects for named tuples and text for keys of bytes."""
    if not isinstance(value, (dict, list, tuple)):
        return value
    if id(value) in above:
        raise ValueError("Circular reference detected")
    above.add(id(value))
    if _is_named_tuple(value):
        plain = _plain(value._asdict(), above)
    elif isinstance(value, dict):
        plain = {(k.decode("utf-8") if isinstance(k, bytes) else k): _plain(v, above) for k, v in value.items()}
    else:
        plain = [_plain(item, above) for item in value]
    above.discard(id(value))
    return plain
