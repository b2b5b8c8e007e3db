// secretlint's recommended preset on the same bytes; see peers.py.
import { readFileSync } from "node:fs";
import { lintSource } from "@secretlint/core";
import { creator } from "@secretlint/secretlint-rule-preset-recommend";

const corpus = readFileSync(process.argv[2]);
const labels = readFileSync(process.argv[3], "utf8").trim().split("\n").map((line) => JSON.parse(line));
const config = { rules: [{ id: "preset", rule: creator, options: {}, rules: [] }] };
const before = process.cpuUsage();
const spans = [];
let at = 0;
for (const line of corpus.toString("latin1").split("\n")) {
  const { messages } = await lintSource({
    source: { filePath: "x.txt", content: line, ext: ".txt", contentType: "text" },
    options: { config },
  });
  for (const { range } of messages) spans.push([at + range[0], at + range[1]]);
  at += line.length + 1;
}
const { user, system } = process.cpuUsage(before);
const used = new Set();
const sums = { secrets: [0, 0, 0], people: [0, 0, 0] };
for (const label of labels) {
  let hidden = 0;
  spans.forEach(([start, end], index) => {
    if (start < label.end && end > label.start) {
      used.add(index);
      hidden += Math.min(end, label.end) - Math.max(start, label.start);
    }
  });
  const group = sums[label.class.startsWith("pii.") ? "people" : "secrets"];
  group[0] += 1;
  group[1] += hidden > 0;
  group[2] += hidden >= 0.95 * (label.end - label.start);
}
const shares = Object.entries(sums).filter(([, [count]]) => count)
  .map(([name, [count, found, covered]]) => `${name} found ${(found / count).toFixed(3)}, covered ${(covered / count).toFixed(3)}`);
const rate = (corpus.length / (user + system)).toFixed(3);
const wrong = ((spans.length - used.size) / (corpus.length / 1e6)).toFixed(1);
const peak = (process.resourceUsage().maxRSS / 1000).toFixed(0);
console.log(`  secretlint: ${rate} MB/s, ${peak} MB, ${shares.join("; ")}; ${wrong} false positives per MB`);
process.exit(0);
