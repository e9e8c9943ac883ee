const express = require("express");

const app = express();
app.use(express.json());
app.get("/", (request, response) => response.json({ hello: request.query.name ?? "you" }));
app.post("/sum", (request, response) => response.json({ sum: request.body.reduce((sum, number) => sum + number, 0) }));

module.exports = app;
