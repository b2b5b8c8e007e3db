import { readFileSync } from "node:fs";
import { request } from "node:https";

const [url, file, asked] = process.argv.slice(2);
const body = readFileSync(file);
const options = { method: "POST", rejectUnauthorized: false, headers: { "content-length": body.length, "x-answer": asked } };
request(url, options, (answer) => {
    let length = 0;
    answer.on("data", (piece) => (length += piece.length));
    answer.on("end", () => process.exit(length == asked ? 0 : 1));
}).end(body);
