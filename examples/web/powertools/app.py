"""A handler with the HTTP resolver of Powertools for AWS Lambda, behind a function URL."""
from aws_lambda_powertools.event_handler import LambdaFunctionUrlResolver

app = LambdaFunctionUrlResolver()


@app.get("/hello/<name>")
def hello(name: str):
    return {"hello": name}


def handler(event, context):
    return app.resolve(event, context)
