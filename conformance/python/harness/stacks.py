"""What `lacewing deploy` tells of a template, and a look at what it has made."""
import urllib.request


def changes(told):
    return {row["resource"]: row["change"] for row in told["resources"]}


def get(server, url):
    """What a function's URL answers, for a host that no resolver knows."""
    request = urllib.request.Request(server.url + "/", headers={"host": url.split("//")[1].strip("/")})
    with urllib.request.urlopen(request) as reply:
        return reply.read()
