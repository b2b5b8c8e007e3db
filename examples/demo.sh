#!/bin/bash
# The main job, where aa-sensord is running: a governed agent at work, what a person lets it do, what it was denied, why; another
# that talks to a model, the key it may not tell and the money it may not spend; and the log's proof.
set -u
user=${SUDO_USER:-agent}
home=$(getent passwd "$user" | cut -d: -f6)
work=$home/demo
here=$(cd "$(dirname "$0")" && pwd)
fail() { echo "demo: $*" >&2; exit 1; }
for needed in python3 git openssl; do
    command -v "$needed" >/dev/null || { echo "demo: $needed is not installed" >&2; exit 2; }
done

show() { printf '\n$ %s\n' "$*"; "$@"; }

install -d -o "$user" "$work" "$home/.ssh"
[ -e "$home/.ssh/id_ed25519" ] || { echo "not a real key" >"$home/.ssh/id_ed25519"; chown "$user" "$home/.ssh/id_ed25519"; }
cd "$work" || exit
[ -d .git ] || runuser -u "$user" -- sh -c 'git init -q . && git config user.name Agent && git config user.email agent@example.com'
[ -d origin.git ] || runuser -u "$user" -- sh -c 'git init -q --bare origin.git && git remote add origin "$PWD/origin.git"'

# A second terminal: somebody looks at what the agent asks, and lets it do that.
answer() {
    local id
    until id=$(aasm approvals list --json | python3 -c '
import json, sys
print(*[row["id"] for row in json.load(sys.stdin) if sys.argv[1] in row["object"]][:1])' "$1") && [ -n "$id" ]; do
        sleep 0.2
    done
    show aasm approvals show "$id"
    show aasm approvals approve "$id"
}
answer HEAD:refs/heads/main > >(sed 's/^/                second terminal | /') &
second=$!
begun=$(date -u +%Y-%m-%dT%H:%M:%SZ)
show aasm run --policy coding-agent --work "$work" --user "$user" -- python3 "$here/agent.py"
status=$?
kill "$second" 2>/dev/null
wait "$second" 2>/dev/null
# The events in which something was denied by a policy, or by a section of it, since the demo began.
denied() {
    aasm events --denied --since "$begun" --json | python3 -c '
import json, sys
for line in sys.stdin:
    event = json.loads(line)
    section = event.get("rule", {}).get("section")
    if event.get("effect") == "denied" and event.get("policy", {}).get("name") == sys.argv[1] and sys.argv[2] in ("", section):
        print(event["id"])' "$1" "${2-}"
}
mapfile -t denials < <(denied coding-agent)
for event in "${denials[@]}"; do show aasm why "$event"; done
[ "${#denials[@]}" -ge 3 ] || fail "expected three denials, saw ${#denials[@]}"

# A server that answers as a model does, and an agent that has to tell it what a log says. In the log stands a key. It also has tools, one
# of which somebody has to be asked about.
model=$(mktemp -d)
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout "$model/key.pem" -out "$model/cert.pem" 2>"$model/errors" ||
    fail "openssl makes no certificate: $(cat "$model/errors")"
chmod 755 "$model"
coproc python3 "$here/model.py" "$model/key.pem" "$model/cert.pem" "$model/received"
server=$COPROC_PID
trap 'kill "$server" 2>/dev/null; rm -rf "$model"' EXIT
read -r port <&"${COPROC[0]}" || fail "the model's server does not start"
key=AKIAQ3EGRIJ2XKF7ZB5D
printf 'export AWS_ACCESS_KEY_ID=%s\npushing image\nno space left on device\n' "$key" >"$work/deploy.log"
answer tickets.close > >(sed 's/^/                second terminal | /') &
second=$!
show aasm watch --policy "$here/assistant.yaml" --work "$work" --user "$user" -- \
    python3 "$here/assistant.py" "https://localhost:$port" "$model/cert.pem" || status=1
kill "$second" 2>/dev/null
wait "$second" 2>/dev/null
mapfile -t leaks < <(denied assistant data.block)
[ "${#leaks[@]}" -ge 1 ] || fail "expected a denied leak, saw none"
show aasm why "${leaks[0]}"
grep -q '"ids": \[7, 8, 9\]' "$model/received" || fail "the call that was approved did not arrive"
! grep -q tickets.delete "$model/received" || fail "the call that was denied arrived"
mapfile -t tools < <(denied assistant tool)
[ "${#tools[@]}" -ge 1 ] || fail "expected a denied tool, saw none"
show aasm why "${tools[0]}"
mapfile -t unpaid < <(denied assistant spend)
[ "${#unpaid[@]}" -ge 1 ] || fail "expected a call beyond the limit, saw none"
show aasm why "${unpaid[0]}"
show aasm budget
grep -q "no space left" "$model/received" || fail "what may be told did not arrive"
printf '\n$ grep --count %s what-the-model-received\n%s\n' "$key" "$(grep -c "$key" "$model/received")"
! grep -q "$key" "$model/received" || fail "the key arrived"

show aasm audit verify
log=$(mktemp -d)
cp -r "$(aasm status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["audit"]["directory"])')" "$log/copy"
sed -i 's/sudo/s_do/' "$log"/copy/audit-*.log
printf '\n# A copy, in which somebody wrote `s_do` for `sudo`:\n'
! show aasm audit verify "$log/copy" || fail "the changed copy is called intact"
printf '\n$ aasm audit export --format ocsf --verdict denied --since 1h | head --bytes 300\n'
aasm audit export --format ocsf --verdict denied --since 1h >"$log/events"
head --lines 1 "$log/events" | head --bytes 300
echo
rm -r "$log"
exit "$status"
