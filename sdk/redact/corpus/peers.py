#!/usr/bin/env python3
"""Peers on the same bytes: CPU seconds, recall and false positives of what a registry has.

    peers.py CORPUS LABELS [tool...]

The corpus is what `aa-redact-corpus` writes to standard output, LABELS what it writes to standard error. Each tool gets the corpus line by
line, as it wants files. A finding is where its secret's text stands in the line; recall is a touch, covered 95 % of the value.
"""

import json
import subprocess
import sys
import time


def detect_secrets(lines):
    from detect_secrets.core.scan import _process_line_based_plugins
    from detect_secrets.settings import default_settings

    # What it does to a file, without one; its `scan_line` searches more eagerly than its scans do.
    with default_settings():
        numbered = list(enumerate(lines))
        found = _process_line_based_plugins(lines=numbered, filename="x.txt")
        return [(secret.line_number, secret.secret_value) for secret in found if secret.secret_value]


def presidio(lines):
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
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


def score(corpus, labels, lines, found):
    starts, at = [], 0
    for line in lines:
        starts.append(at)
        at += len(line.encode()) + 1
    spans = []
    for number, value in found:
        raw, needle, from_ = lines[number].encode(), value.encode(), 0
        while needle and (place := raw.find(needle, from_)) >= 0:
            spans.append((starts[number] + place, starts[number] + place + len(needle)))
            from_ = place + len(needle)
    spans = sorted(set(spans))
    hit = covered = 0
    used = [False] * len(spans)
    for label in labels:
        hidden = set()
        for index, (start, end) in enumerate(spans):
            if start < label["end"] and end > label["start"]:
                used[index] = True
                hidden.update(range(max(start, label["start"]), min(end, label["end"])))
        hit += bool(hidden)
        covered += len(hidden) >= 0.95 * (label["end"] - label["start"])
    wrong = used.count(False)
    return hit / len(labels), covered / len(labels), wrong / (len(corpus) / 1e6)


def main():
    corpus = open(sys.argv[1], "rb").read()
    labels = [json.loads(line) for line in open(sys.argv[2])]
    lines = corpus.decode().split("\n")
    tools = {"detect-secrets": detect_secrets, "presidio (patterns)": presidio}
    for name, tool in tools.items():
        if len(sys.argv) > 3 and name.split()[0] not in sys.argv[3:]:
            continue
        try:
            before = time.process_time()
            found = tool(lines)
            seconds = time.process_time() - before
        except ImportError as error:
            print(f"{name}: not installed ({error.name})")
            continue
        recall, covered, wrong = score(corpus, labels, lines, found)
        print(f"{name}: {len(corpus) / seconds / 1e6:.3f} MB/s, found {recall:.3f}, covered {covered:.3f}, {wrong:.1f} false positives per MB")


main()
