"""Leaves its tenant's mark wherever it can, and tells all marks that it finds: the next tenant must find none."""
import builtins
import glob
import os
import subprocess
import sys
import time

SEEN = []
PLACES = ("/tmp", "/dev/shm", "/var/tmp", "/var/task", "/run")


def found():
    marks = set(SEEN) | set(getattr(builtins, "marks", ()))
    marks |= {value for key, value in os.environ.items() if key.startswith("MARK_")}
    for folder in PLACES:
        for path in glob.glob(folder + "/mark-*"):
            with open(path) as file:
                marks.add(file.read())
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                words = file.read().decode(errors="replace").split("\0")
        except OSError:
            continue
        marks |= {word.removeprefix("mark-") for word in words if word.startswith("mark-")}
    return sorted(marks)


def leave(tenant):
    SEEN.append(tenant)
    builtins.marks = [*getattr(builtins, "marks", ()), tenant]
    os.environ["MARK_" + str(len(SEEN))] = tenant
    for folder in PLACES:
        try:
            with open(f"{folder}/mark-{len(SEEN)}", "w") as file:
                file.write(tenant)
        except OSError:
            pass  # not everywhere may it write
    if len(SEEN) == 1:
        # A process that outlives the call.
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "mark-" + tenant])


def handler(event, context):
    marks = found()
    leave(context.tenant_id)
    time.sleep(event.get("s", 0))
    if event.get("fail"):
        raise RuntimeError("as told")
    return {"tenant": context.tenant_id, "found": marks, "calls": len(SEEN),
            "sandbox": os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]}
