"""Clients against a server, and one invocation as the tests look at it."""
import base64
import json
import re
from dataclasses import dataclass

import boto3
import botocore.config
import botocore.exceptions

from .packages import PYTHON, ROLE
from .server import KEY, REGION, SECRET
from .wait import until


def client(server, service="lambda", key=KEY, secret=SECRET, token=None, region=REGION, read_timeout=60, pool=64):
    """An unmodified boto3 client that neither retries nor checks: the server's first answer is what is tested."""
    config = botocore.config.Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=read_timeout,
                                    max_pool_connections=pool, parameter_validation=False)
    return boto3.client(service, endpoint_url=server.url, region_name=region, aws_access_key_id=key,
                        aws_secret_access_key=secret, aws_session_token=token, config=config)


@dataclass
class Answer:
    """What a caller got."""
    status: int
    error: str | None
    raw: bytes
    log: str
    log_bytes: int
    version: str | None
    request_id: str
    headers: dict

    @property
    def value(self):
        return json.loads(self.raw)

    @property
    def report(self) -> dict:
        """The fields of the REPORT line in the log tail."""
        return report_fields(self.log)


def call(lam, name, event=None, raw=None, tail=True, **more) -> Answer:
    """Invokes and waits for the answer."""
    body = raw if raw is not None else json.dumps({} if event is None else event)
    if tail:
        more["LogType"] = "Tail"
    reply = lam.invoke(FunctionName=name, Payload=body, **more)
    meta = reply["ResponseMetadata"]
    log = base64.b64decode(reply.get("LogResult", ""))
    return Answer(reply["StatusCode"], reply.get("FunctionError"), reply["Payload"].read(), log.decode(errors="replace"), len(log),
                  reply.get("ExecutedVersion"), meta["RequestId"], meta["HTTPHeaders"])


def open_url(lam, **where):
    """Lets everybody call a function's URL: it takes two permissions."""
    lam.add_permission(StatementId="public", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE", **where)
    lam.add_permission(StatementId="public-invoke", Action="lambda:InvokeFunction", Principal="*", InvokedViaFunctionUrl=True, **where)


def refused(action, *arguments, **more):
    """The error that an API call must end in: `(status, type, message)`."""
    try:
        reply = action(*arguments, **more)
    except botocore.exceptions.ClientError as error:
        meta = error.response["ResponseMetadata"]
        return meta["HTTPStatusCode"], error.response["Error"]["Code"], error.response["Error"]["Message"]
    raise AssertionError(f"was not refused: {reply}")


def create(lam, name, zipped, runtime=PYTHON, handler="app.handler", active=True, **more):
    """Creates a function and waits until it can be called."""
    more.setdefault("Timeout", 10)
    reply = lam.create_function(FunctionName=name, Runtime=runtime, Handler=handler, Role=ROLE,
                                Code={"ZipFile": zipped}, **more)
    if active:
        settled(lam, name)
    return reply


def publish(lam, name):
    """Publishes a version, and waits until it is Active, with its snapshot or the reason why there is none."""
    number = lam.publish_version(FunctionName=name)["Version"]
    lam.get_waiter("published_version_active").wait(FunctionName=name, Qualifier=number,
                                                    WaiterConfig={"Delay": 0.1, "MaxAttempts": 300})
    return lam.get_function_configuration(FunctionName=name, Qualifier=number)


def settled(lam, name):
    """Waits until a function is neither being made nor being changed."""
    def state():
        config = lam.get_function_configuration(FunctionName=name)
        assert config["State"] != "Failed", config.get("StateReason")
        return config if config["State"] == "Active" and config.get("LastUpdateStatus") != "InProgress" else None
    return until(state, 20, f"{name} never became active")


REPORT = re.compile(r"REPORT RequestId: (?P<id>\S+)\tDuration: (?P<duration>\d+\.\d\d) ms\tBilled Duration: (?P<billed>\d+) ms"
                    r"\tMemory Size: (?P<size>\d+) MB\tMax Memory Used: (?P<used>\d+) MB"
                    r"(?:\tInit Duration: (?P<init>\d+\.\d\d) ms)?"
                    r"(?:\tRestore Duration: (?P<restore>\d+\.\d\d) ms\tBilled Restore Duration: (?P<billed_restore>\d+) ms)?\t?"
                    r"(?:Status: (?P<status>\w+)(?:\tError Type: (?P<type>\S+))?)?")


def report_fields(log: str) -> dict:
    found = REPORT.search(log)
    assert found, f"no REPORT line in:\n{log}"
    return found.groupdict()
