"""A FastAPI application behind Mangum: how it runs on Lambda itself."""
from fastapi import FastAPI
from mangum import Mangum

app = FastAPI()


@app.get("/hello/{name}")
def hello(name: str):
    return {"hello": name}


handler = Mangum(app, lifespan="off")
