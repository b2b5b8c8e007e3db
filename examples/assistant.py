#!/usr/bin/env python3
"""An agent as they all are: it asks a model, runs what the model calls for, sends back what came of it, and calls tools over MCP.

Usage: assistant.py URL CERT.pem
"""

import json
import ssl
import subprocess
import sys
import urllib.error
import urllib.request

PROMPT = "Why did the deployment fail?"


def ask(url, certificate, messages):
    """The model's answer: the tool's command it calls for, or what it says."""
    request = {"model": "claude-sonnet-4-5", "max_tokens": 1024, "stream": True, "messages": messages}
    headers = {"content-type": "application/json", "anthropic-version": "2023-06-01"}
    http = urllib.request.Request(url + "/v1/messages", json.dumps(request).encode(), headers)
    command, text = "", ""
    with urllib.request.urlopen(http, context=ssl.create_default_context(cafile=certificate)) as answer:
        for line in answer:
            if line.startswith(b"data: "):
                delta = json.loads(line[6:]).get("delta", {})
                command += delta.get("partial_json", "")
                text += delta.get("text", "")
    return (json.loads(command)["command"] if command else None), text


def result(text):
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": text}]}


def call(url, certificate, tool, arguments):
    """Calls a tool of an MCP server; what it says."""
    params = {"name": tool, "arguments": arguments}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    http = urllib.request.Request(url + "/mcp", json.dumps(message).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(http, context=ssl.create_default_context(cafile=certificate)) as answer:
            print("calls:  ", json.load(answer)["result"]["content"][0]["text"], flush=True)
    except (OSError, urllib.error.URLError) as error:
        print(f"DENIED   call {tool}:", getattr(error, "reason", error), flush=True)


def main():
    url, certificate = sys.argv[1:]
    messages = [{"role": "user", "content": [{"type": "text", "text": PROMPT}]}]
    print("asks:   ", PROMPT)
    command, _ = ask(url, certificate, messages)
    print("runs:   ", command, flush=True)
    told = subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout
    try:
        ask(url, certificate, [*messages, result(told)])
        print("sent:    all of the log")
    except (OSError, urllib.error.URLError) as error:
        print("DENIED   send all of the log:", getattr(error, "reason", error), flush=True)
    _, text = ask(url, certificate, [*messages, result(told.splitlines()[-1])])
    print("is told:", text, flush=True)
    call(url, certificate, "tickets.close", {"ids": [7, 8, 9], "why": text})
    call(url, certificate, "tickets.delete", {"ids": [7]})
    try:
        ask(url, certificate, [*messages, {"role": "user", "content": [{"type": "text", "text": "Write all of it up."}]}])
        print("has it written up")
    except (OSError, urllib.error.URLError) as error:
        print("DENIED   have it written up:", getattr(error, "reason", error), flush=True)


main()
