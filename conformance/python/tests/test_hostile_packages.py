"""Zips made to break out of their folder or to fill the disk: refused, with nothing written outside."""
import io
import os
import stat
import struct
import zipfile

import pytest

from harness.calls import call, create, refused
from harness.packages import package, python

GOOD = "def handler(event, context): return 'good'"


def raw(entries):
    """A zip with entries as given: `(name, content, external attributes)`."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content, mode in entries:
            entry = zipfile.ZipInfo(name)
            entry.create_system = 3
            entry.external_attr = mode << 16
            archive.writestr(entry, content)
    return out.getvalue()


def bomb(count, each):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for i in range(count):
            archive.writestr(f"zeros-{i}", bytes(each))
    return out.getvalue()


def lying():
    """An entry whose header announces ten bytes, and whose data is a hundred megabytes."""
    zipped = bytearray(bomb(1, 100_000_000))
    size = struct.pack("<I", 100_000_000)
    assert zipped.count(size) >= 2
    return bytes(zipped.replace(size, struct.pack("<I", 10)))


REG, LINK, DEVICE, FIFO = stat.S_IFREG | 0o644, stat.S_IFLNK | 0o777, stat.S_IFBLK | 0o666, stat.S_IFIFO | 0o666
HOSTILE = [
    ("a path that climbs", [("../../escaped", b"x", REG), ("app.py", GOOD, REG)]),
    ("a path that climbs inside", [("a/../../escaped", b"x", REG), ("app.py", GOOD, REG)]),
    ("an absolute path", [("/tmp/escaped-from-a-zip", b"x", REG), ("app.py", GOOD, REG)]),
    ("a link to a file of the host", [("secret", b"/etc/shadow", LINK), ("app.py", GOOD, REG)]),
    ("a link, then a file below it", [("out", b"/tmp", LINK), ("out/escaped-from-a-zip", b"x", REG), ("app.py", GOOD, REG)]),
    ("a link that climbs", [("up", b"../../../..", LINK), ("app.py", GOOD, REG)]),
    ("a device", [("disk", b"", DEVICE), ("app.py", GOOD, REG)]),
    ("a pipe", [("pipe", b"", FIFO), ("app.py", GOOD, REG)]),
    ("two files of one name", [("app.py", GOOD, REG), ("app.py", "other", REG)]),
    ("a file that is also a folder", [("a", b"x", REG), ("a/b", b"x", REG), ("app.py", GOOD, REG)]),
    ("a name with a null", [("nul\0l", b"x", REG), ("app.py", GOOD, REG)]),
    ("backslashes", [("..\\..\\escaped", b"x", REG), ("app.py", GOOD, REG)]),
    ("a very long name", [("n" * 5000, b"x", REG), ("app.py", GOOD, REG)]),
    ("very deep folders", [("d/" * 2000 + "f", b"x", REG), ("app.py", GOOD, REG)]),
]


@pytest.mark.parametrize("why, entries", HOSTILE, ids=[row[0] for row in HOSTILE])
def test_hostile_entries_stay_in_their_folder(lam, server, why, entries):
    """Refused at once, or `Failed`, or harmless: in no case is anything written elsewhere."""
    name = "zip-" + "".join(c if c.isalnum() else "-" for c in why)
    try:
        create(lam, name, raw(entries))
        answer = call(lam, name)
        assert answer.error or answer.value == "good"
    except (AssertionError, lam.exceptions.ClientError) as error:
        assert "InvalidParameterValue" in repr(error) or "nzip" in repr(error) or "ackage" in repr(error), error
    assert not os.path.exists("/tmp/escaped-from-a-zip") and not os.path.exists("/escaped")
    assert not list(server.data.rglob("*escaped*")) or why == "backslashes"
    for path in server.data.rglob("*"):
        mode = path.lstat().st_mode
        assert not stat.S_ISBLK(mode) and not stat.S_ISFIFO(mode), path
        assert not path.is_symlink() or not os.readlink(path).startswith(("/etc", "/tmp", "..")), path
    assert server.is_up


def test_a_link_within_the_package_may_work_but_never_reads_the_host(lam, deploy):
    source = """
        def handler(event, context):
            try:
                return open("/var/task/inner").read()
            except OSError as error:
                return type(error).__name__
        """
    try:
        name = deploy(raw([("inner", b"data.txt", LINK), ("data.txt", "data", REG), ("app.py", __import__("textwrap").dedent(source), REG)]))
    except lam.exceptions.ClientError:
        return  # refusing every link is a fair answer too
    assert call(lam, name).value in ("data", "FileNotFoundError", "data.txt")


def test_a_bomb_is_refused_before_it_is_unpacked(lam, server):
    before = used(server)
    status, kind, text = refused(create, lam, "bomb", bomb(3, 100_000_000), active=False)
    assert (status, kind) == (400, "InvalidParameterValueException")
    assert text == "Unzipped size must be smaller than 262144000 bytes"
    assert used(server) - before < 1_000_000


def test_a_bomb_that_lies_about_its_size_fills_no_disk(lam, server):
    before = used(server)
    try:
        create(lam, "liar", lying())
        call(lam, "liar")
    except (AssertionError, lam.exceptions.ClientError):
        pass
    assert used(server) - before < 60_000_000


def test_too_many_entries_are_refused(lam):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for i in range(120_000):
            archive.writestr(f"f{i}", b"")
    assert refused(create, lam, "entries", out.getvalue(), active=False)[0] == 400


def test_a_zip_over_fifty_megabytes_is_refused(lam):
    big = raw([("big", os.urandom(52_500_000), REG)])
    status, kind, text = refused(create, lam, "big", big, active=False)
    assert status in (400, 413) and "Zipped size must be smaller than 52428800 bytes" in text, (status, kind, text)


@pytest.mark.parametrize("broken", [b"", b"PK", b"PK\x05\x06" + b"\0" * 18, b"x" * 1000, python(GOOD)[:-30], python(GOOD)[10:]],
                         ids=["empty", "two-bytes", "no-entry", "text", "cut-at-the-end", "cut-at-the-start"])
def test_what_is_no_whole_zip_is_refused(lam, broken):
    status, kind, _ = refused(create, lam, "broken", broken, active=False)
    assert status == 400 and kind in ("InvalidParameterValueException", "ValidationException")


def test_modes_are_kept_but_for_setuid(lam, deploy):
    source = """
        import os, stat
        def handler(event, context):
            return {name: oct(stat.S_IMODE(os.stat("/var/task/" + name).st_mode)) for name in ("run.sh", "plain", "root")}
        """
    name = deploy(package({"app.py": source, "run.sh": ("#!/bin/sh", 0o755), "plain": ("x", 0o644), "root": ("x", 0o4755)}))
    value = call(lam, name).value
    assert value["run.sh"] == "0o755" and value["plain"] == "0o644" and int(value["root"], 8) & 0o6000 == 0


def used(server) -> int:
    return sum(path.lstat().st_size for path in server.data.rglob("*") if path.is_file() and not path.is_symlink())
