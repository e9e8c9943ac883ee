"""A function: it is called with an event (any JSON) and returns an answer (any JSON)."""


def handler(event, context):
    name = event.get("name", "world")
    print(f"greeting {name}")
    return {"greeting": f"Hello, {name}!", "request": context.aws_request_id}
