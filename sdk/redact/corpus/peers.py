#!/usr/bin/env python3
"""Tools on the same bytes: CPU seconds, peak memory, recall and false positives, a row each.

    peers.py CORPUS LABELS [AASM]

The corpus is what `aa-redact-corpus` writes to standard output, LABELS what it writes to standard error, AASM the program to compare with. Each
tool runs in a process of its own and gets the corpus line by line, as it wants files. A finding is where its secret's text stands in the line; found
is a touch, covered 95 % of the value; of secrets, and of what is a person's, apart. A tool that is not there has a row that says so.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile


def detect_secrets(lines):
    from detect_secrets.core.scan import _process_line_based_plugins
    from detect_secrets.settings import default_settings

    # What it does to a file, without one; its `scan_line` searches more eagerly than its scans do.
    with default_settings():
        numbered = list(enumerate(lines))
        found = _process_line_based_plugins(lines=numbered, filename="x.txt")
        return [(secret.line_number, secret.secret_value) for secret in found if secret.secret_value]


def presidio(lines):
    from presidio_analyzer import RecognizerRegistry
    from presidio_analyzer.nlp_engine import NlpArtifacts

    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    found = []
    # The recognisers of patterns alone: a language model is another thing, and slower by orders.
    patterns = [r for r in registry.recognizers if type(r).__mro__[1].__name__ == "PatternRecognizer"]
    nothing = NlpArtifacts([], [], [], [], None, "en")
    for number, line in enumerate(lines):
        for recognizer in patterns:
            for result in recognizer.analyze(line, recognizer.supported_entities, nothing) or []:
                found.append((number, line[result.start : result.end]))
    return found


def gitleaks(lines):
    program = shutil.which("gitleaks")
    if not program:
        raise ImportError("no gitleaks in the path, and apt has none", name="gitleaks")
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/x.txt", "w") as file:
            file.write("\n".join(lines))
        report = f"{folder}/report.json"
        command = [program, "detect", "--no-git", "--no-banner", "--exit-code", "0", "-s", folder, "-f", "json", "-r", report]
        subprocess.run(command, check=True, capture_output=True)
        return [(finding["StartLine"] - 1, finding["Secret"]) for finding in json.load(open(report))]


def in_lines(lines, found):
    """Spans of what was found by its text."""
    starts, at = [], 0
    for line in lines:
        starts.append(at)
        at += len(line.encode()) + 1
    spans = set()
    for number, value in found:
        if number >= len(lines):
            continue
        raw, needle, from_ = lines[number].encode(), value.encode(), 0
        while needle and (place := raw.find(needle, from_)) >= 0:
            spans.add((starts[number] + place, starts[number] + place + len(needle)))
            from_ = place + len(needle)
    return sorted(spans)


def aasm(program, corpus):
    told = subprocess.run([program, "redact", "--findings", corpus], capture_output=True, text=True).stdout
    findings = map(json.loads, told.splitlines())
    return sorted((f["start"], f["end"]) for f in findings if not f.get("example"))


def score(labels, spans):
    used = [False] * len(spans)
    sums = {}
    for label in labels:
        hidden = set()
        for index, (start, end) in enumerate(spans):
            if start < label["end"] and end > label["start"]:
                used[index] = True
                hidden.update(range(max(start, label["start"]), min(end, label["end"])))
        group = sums.setdefault("people" if label["class"].startswith("pii.") else "secrets", [0, 0, 0])
        group[0] += 1
        group[1] += bool(hidden)
        group[2] += len(hidden) >= 0.95 * (label["end"] - label["start"])
    shares = [f"{name} found {f / n:.3f}, covered {c / n:.3f}" for name, (n, f, c) in sorted(sums.items(), reverse=True)]
    return "; ".join(shares), used.count(False)


def row(name, tool, size, labels):
    """One tool, in a child whose CPU time and memory are its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            answer = {"spans": tool()}
        except Exception as error:  # whatever a tool does, the others have their rows
            answer = {"error": f"{type(error).__name__}: {error}"}
        uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        answer["seconds"] = sum(use.ru_utime + use.ru_stime for use in uses)
        answer["peak"] = max(use.ru_maxrss for use in uses)
        with os.fdopen(writer, "w") as file:
            json.dump(answer, file)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        answer = json.load(file)
    os.waitpid(child, 0)
    if "error" in answer:
        print(f"  {name}: not here ({answer['error'].splitlines()[0]})", flush=True)
        return
    shares, wrong = score(labels, [tuple(span) for span in answer["spans"]])
    speed, wrong = size / answer["seconds"] / 1e6, wrong / (size / 1e6)
    print(f"  {name}: {speed:.3f} MB/s, {answer['peak'] / 1000:.0f} MB, {shares}; {wrong:.1f} false positives per MB", flush=True)


def main():
    path = sys.argv[1]
    corpus = open(path, "rb").read()
    labels = [json.loads(line) for line in open(sys.argv[2])]
    lines = corpus.decode().split("\n")
    if len(sys.argv) > 3:
        row("aasm redact, its start included", lambda: aasm(sys.argv[3], path), len(corpus), labels)
    tools = {"detect-secrets": detect_secrets, "presidio, patterns": presidio, "gitleaks": gitleaks}
    for name, tool in tools.items():
        row(name, lambda: in_lines(lines, tool(lines)), len(corpus), labels)


main()
