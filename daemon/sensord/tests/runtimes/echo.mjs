// A WebSocket server of npm's `ws` over TLS on a port of the kernel's choice, which it prints: keeps what it is told in the file
// `received`, and says it again.
import { appendFileSync, readFileSync } from "node:fs";
import { createServer } from "node:https";
import { createRequire } from "node:module";

const { WebSocketServer } = createRequire(process.env.MODULES)("ws");
const server = createServer({ key: readFileSync("key.pem"), cert: readFileSync("cert.pem") });
new WebSocketServer({ server, perMessageDeflate: { threshold: 0 } }).on("connection", (socket) => {
    socket.on("message", (told) => { appendFileSync("received", told); socket.send(told); });
    socket.on("error", () => {});
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
