"""A FastAPI application with server-sent events and a WebSocket, as it would run on any server."""
import asyncio

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import HTMLResponse, StreamingResponse

app = FastAPI(title="hello")

PAGE = """<!doctype html><title>live</title>
<ul id="events"></ul><p id="socket"></p>
<script>
  const events = new EventSource("events");
  events.onmessage = message => {
    document.getElementById("events").append(Object.assign(document.createElement("li"), { textContent: message.data }));
    if (message.data === "3") events.close();
  };
  const socket = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}/socket`);
  socket.onopen = () => socket.send("hello");
  socket.onmessage = message => { document.getElementById("socket").textContent = message.data; };
</script>"""


@app.get("/hello/{name}")
def hello(name: str, punctuation: str = "!"):
    return {"hello": name + punctuation}


@app.get("/", response_class=HTMLResponse)
def page():
    return PAGE


@app.get("/events")
async def events():
    async def numbers():
        for number in range(1, 4):
            yield f"data: {number}\n\n"
            await asyncio.sleep(0.1)
    return StreamingResponse(numbers(), media_type="text/event-stream")


@app.websocket("/socket")
async def socket(websocket: WebSocket):
    await websocket.accept()
    try:
        while True:
            await websocket.send_text((await websocket.receive_text()).upper())
    except WebSocketDisconnect:
        pass
