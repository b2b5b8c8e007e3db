// A server of HTTP/2 over TLS on a port of the kernel's choice, which it prints: takes what is posted, answers with as many bytes as asked for.
import { createSecureServer } from "node:http2";
import { readFileSync } from "node:fs";

const server = createSecureServer({ cert: readFileSync("cert.pem"), key: readFileSync("key.pem") });
server.on("stream", (stream, headers) => {
    stream.resume();
    stream.on("end", () => {
        stream.respond({ ":status": 200 });
        stream.end("x".repeat(Number(headers["x-answer"] ?? 14)));
    });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
