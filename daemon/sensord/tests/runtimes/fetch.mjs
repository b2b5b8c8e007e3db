// node, Bun and Deno.
const [url, sent, asked] = (globalThis.Deno?.args ?? process.argv.slice(2));
const answer = await fetch(url, {
    method: "POST",
    body: "s".repeat(Number(sent)),
    headers: { "x-answer": asked },
    tls: { rejectUnauthorized: false },
});
if ((await answer.text()).length != asked) throw new Error("short");
