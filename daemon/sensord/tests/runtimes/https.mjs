import { request } from "node:https";

const [url, sent, asked] = process.argv.slice(2);
const options = { method: "POST", rejectUnauthorized: false, headers: { "content-length": sent, "x-answer": asked } };
request(url, options, (answer) => {
    let length = 0;
    answer.on("data", (piece) => (length += piece.length));
    answer.on("end", () => process.exit(length == asked ? 0 : 1));
}).end(Buffer.alloc(Number(sent), "s"));
