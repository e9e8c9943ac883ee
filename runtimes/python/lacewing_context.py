"""The context object that a handler gets."""

import os
import sys
import time

import lacewing_json


class _Fields(object):
    """A record of fixed fields that shows itself as `Name([field=value,...])`."""

    __slots__ = ()

    def __repr__(self):
        fields = ",".join("%s=%s" % (name, getattr(self, name)) for name in self.__slots__)
        return "%s([%s])" % (type(self).__name__, fields)


class CognitoIdentity(_Fields):
    __slots__ = ["cognito_identity_id", "cognito_identity_pool_id"]


class Client(_Fields):
    __slots__ = ["installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name"]


class ClientContext(_Fields):
    __slots__ = ["custom", "env", "client"]


def _fill(kind, values):
    if values is None:
        return None
    record = kind()
    for name in kind.__slots__:
        setattr(record, name, values.get(name))
    return record


def _parse(text, what):
    if not text:
        return None
    try:
        return lacewing_json.loads(text)
    except Exception as error:
        from lacewing_bootstrap import Fault

        raise Fault("Runtime.LambdaContextUnmarshalError", "Unable to parse %s JSON: %s" % (what, error))


def _take_w3c(client_context):
    """Takes the trace context out of the client context: only known fields, only text."""
    given = client_context.pop("w3c", None) if isinstance(client_context, dict) else None
    if not isinstance(given, dict):
        return {}
    return {k: given[k] for k in ("traceparent", "tracestate", "baggage") if isinstance(given.get(k), str)}


class LambdaContext(object):
    def __init__(self, request_id, client_context, identity, deadline_ms, arn, tenant_id, sink):
        env = os.environ.get
        self.aws_request_id = request_id
        self.log_group_name = env("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = env("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = env("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = env("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = arn
        self.tenant_id = tenant_id
        self._w3c_fields = _take_w3c(client_context)
        self.client_context = _fill(ClientContext, client_context)
        if self.client_context is not None:
            self.client_context.client = _fill(Client, self.client_context.client)
        self.identity = CognitoIdentity()
        identity = identity or {}
        self.identity.cognito_identity_id = identity.get("cognitoIdentityId")
        self.identity.cognito_identity_pool_id = identity.get("cognitoIdentityPoolId")
        self._epoch_deadline_time_in_ms = deadline_ms
        self._sink = sink

    def get_remaining_time_in_millis(self):
        left = self._epoch_deadline_time_in_ms - int(time.time() * 1000)
        return left if left > 0 else 0

    def w3c(self):
        return dict(self._w3c_fields)

    def log(self, msg):
        logging = sys.modules.get("logging")
        if logging is not None and not any(hasattr(handler, "log_sink") for handler in logging.getLogger().handlers):
            sys.stdout.write(str(msg))
        else:
            self._sink.log(str(msg))

    _shown = (
        "aws_request_id",
        "log_group_name",
        "log_stream_name",
        "function_name",
        "memory_limit_in_mb",
        "function_version",
        "invoked_function_arn",
        "client_context",
        "identity",
        "tenant_id",
    )

    def __repr__(self):
        return "LambdaContext([%s])" % ",".join("%s=%s" % (name, getattr(self, name)) for name in self._shown)


def make(headers, sink):
    get = headers.get
    return LambdaContext(
        get("lambda-runtime-aws-request-id"),
        _parse(get("lambda-runtime-client-context"), "Client Context"),
        _parse(get("lambda-runtime-cognito-identity"), "Cognito Identity"),
        int(get("lambda-runtime-deadline-ms", 0)),
        get("lambda-runtime-invoked-function-arn"),
        get("lambda-runtime-aws-tenant-id"),
        sink,
    )
