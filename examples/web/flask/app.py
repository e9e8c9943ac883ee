"""A Flask application."""
from flask import Flask, Response, request

app = Flask(__name__)


@app.get("/")
def index():
    return {"hello": request.args.get("name", "you")}


@app.post("/upper")
def upper():
    return Response(request.get_data().upper(), mimetype="text/plain")
