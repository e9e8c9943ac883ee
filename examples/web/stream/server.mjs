// A page that is sent in pieces, as frameworks with streamed rendering do: the shell at once, the slow part when it is
// there.
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

createServer(async (request, response) => {
  response.writeHead(200, { "content-type": "text/html" });
  response.write('<!doctype html><title>stream</title><main>loading</main>');
  await sleep(300);
  response.end('<script>document.querySelector("main").textContent = "loaded"</script>');
}).listen(process.env.PORT ?? 3000);
