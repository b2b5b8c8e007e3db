// node, Bun and Deno.
import { readFileSync } from "node:fs";

const [url, body, asked] = (globalThis.Deno?.args ?? process.argv.slice(2));
const answer = await fetch(url, {
    method: "POST",
    body: readFileSync(body),
    headers: { "x-answer": asked },
    tls: { rejectUnauthorized: false },
});
if ((await answer.text()).length != asked) throw new Error("short");
