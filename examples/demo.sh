#!/bin/bash
# The main job, where aa-sensord is running: a governed agent at work, what a person lets it do, what it was denied, why,
# and the log's proof.
set -u
user=${SUDO_USER:-agent}
home=$(getent passwd "$user" | cut -d: -f6)
work=$home/demo
here=$(cd "$(dirname "$0")" && pwd)
[ -f "${AA_DEMO_AGENT:=$here/agent.py}" ] || { echo "demo: no agent at $AA_DEMO_AGENT" >&2; exit 2; }

show() { printf '\n$ %s\n' "$*"; "$@"; }

install -d -o "$user" "$work" "$home/.ssh"
[ -e "$home/.ssh/id_ed25519" ] || { echo "not a real key" >"$home/.ssh/id_ed25519"; chown "$user" "$home/.ssh/id_ed25519"; }
cd "$work" || exit
[ -d .git ] || runuser -u "$user" -- sh -c 'git init -q . && git config user.name Agent && git config user.email agent@example.com'
[ -d origin.git ] || runuser -u "$user" -- sh -c 'git init -q --bare origin.git && git remote add origin "$PWD/origin.git"'

# A second terminal: somebody looks at what the agent asks, and lets it push.
answer() {
    local id
    until id=$(aasm approvals list --json | python3 -c '
import json, sys
print(*[row["id"] for row in json.load(sys.stdin) if "HEAD:refs/heads/main" in row["object"]][:1])') && [ -n "$id" ]; do
        sleep 0.2
    done
    show aasm approvals show "$id"
    show aasm approvals approve "$id"
}
answer > >(sed 's/^/                second terminal | /') &
second=$!
show aasm run --policy coding-agent --work "$work" --user "$user" -- python3 "$AA_DEMO_AGENT"
status=$?
kill "$second" 2>/dev/null
wait "$second" 2>/dev/null
mapfile -t denied < <(aasm events --denied --json | python3 -c '
import json, sys
for line in sys.stdin:
    event = json.loads(line)
    if event.get("effect") == "denied" and event.get("agent", {}).get("name") != "self-test" and event.get("policy", {}).get("name") == "coding-agent":
        print(event["id"])')
for event in "${denied[@]}"; do show aasm why "$event"; done
show aasm audit verify
[ "${#denied[@]}" -ge 3 ] || { echo "demo: expected three denials, saw ${#denied[@]}" >&2; exit 1; }
exit "$status"
