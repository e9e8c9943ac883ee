// A Hono application.
import { serve } from "@hono/node-server";
import { Hono } from "hono";

const app = new Hono();
app.get("/", context => context.json({ hello: context.req.query("name") ?? "you" }));

serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 3000) });
