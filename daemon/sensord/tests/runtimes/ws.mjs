// A WebSocket of npm's `ws`: one message, deflated if the server agrees, and its echo.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, url, body] = process.argv.slice(2);
const { WebSocket } = createRequire(modules)("ws");
const socket = new WebSocket(url, { rejectUnauthorized: false });
socket.on("open", () => socket.send(readFileSync(body, "utf8")));
socket.on("message", () => socket.close());
socket.on("close", (code) => process.exit(code === 1005 || code === 1000 ? 0 : 1));
socket.on("error", (error) => { console.error(error.message); process.exit(1); });
