// A server of HTTP/2 over TLS on a port of the kernel's choice, which it prints: keeps what is posted in the file `received`, answers with as many bytes as asked for.
import { createSecureServer } from "node:http2";
import { appendFileSync, readFileSync } from "node:fs";

const server = createSecureServer({ cert: readFileSync("cert.pem"), key: readFileSync("key.pem") });
server.on("stream", (stream, headers) => {
    appendFileSync("received", JSON.stringify(headers));
    stream.on("data", (piece) => appendFileSync("received", piece));
    stream.on("error", () => {});
    stream.on("end", () => {
        if (stream.destroyed) return;
        stream.respond({ ":status": 200 });
        stream.end("x".repeat(Number(headers["x-answer"] ?? 14)));
    });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
