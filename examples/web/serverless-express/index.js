// The same application as a handler: how Express runs on Lambda itself.
const serverlessExpress = require("@codegenie/serverless-express");
const express = require("express");

const app = express();
app.get("/", (request, response) => response.json({ hello: request.query.name ?? "you" }));

exports.handler = serverlessExpress({ app });
