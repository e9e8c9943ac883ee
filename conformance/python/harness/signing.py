"""Requests signed by botocore's own signer, where a test must bend one after or before it is signed."""
import datetime

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import requests

from .server import KEY, REGION, SECRET


def signed(server, method="GET", path="/2015-03-31/functions/", body=b"", key=KEY, secret=SECRET, token=None, skew=0,
           query=False, region=REGION, service="lambda", expires=60, headers=None):
    """A prepared request, signed at a clock that is `skew` seconds off."""
    credentials = botocore.credentials.Credentials(key, secret, token)
    request = botocore.awsrequest.AWSRequest(method, server.url + path, data=body, headers=headers or {})
    if query:
        signer = botocore.auth.SigV4QueryAuth(credentials, service, region, expires=expires)
    else:
        signer = botocore.auth.SigV4Auth(credentials, service, region)
    real = botocore.auth.get_current_datetime
    botocore.auth.get_current_datetime = lambda *a, **k: real(*a, **k) + datetime.timedelta(seconds=skew)
    try:
        signer.add_auth(request)
    finally:
        botocore.auth.get_current_datetime = real
    return request.prepare()


def send(prepared, body=None):
    return requests.request(prepared.method, prepared.url, headers=dict(prepared.headers),
                            data=prepared.body if body is None else body, timeout=30)


def error_type(answer) -> str:
    return answer.headers.get("x-amzn-errortype", "").split(":")[0]
