#!/usr/bin/env bash
# What hearing costs on this machine (promise T3), root; `make bench B=tls`:
# - nanoseconds a call of SSL_write, with no probe, governed, by a neighbour whom nobody governs while the library is probed, and where each
#   call waits until the gateway has judged it (`data.block`);
# - how fast a body may be sent of which every byte is heard, and judged;
# - what the gateway keeps of a connection that is open;
# - short processes of which the first byte is seen (promise T4);
# - exchanges with `aasm watch`, and beside it through mitmdump, if that is installed (python3 -m venv X; X/bin/pip install mitmproxy).
# The daemon runs in a mount namespace whose BPF file system is its own.
set -euo pipefail
release=$(cd "$(dirname "$0")/../../.." && pwd)/target/release
here=$(cd "$(dirname "$0")" && pwd)
at=$(mktemp -d)
chmod 755 "$at"
daemon=
others=()
trap '[ -z "${others[*]}" ] || kill "${others[@]}" 2>/dev/null; [ -z "$daemon" ] || { kill "$daemon"; wait "$daemon" 2>/dev/null || true; }; rm -rf "$at"' EXIT

gcc -O2 -o "$at/tls" "$here/tls.c" -l:libssl.so.3 -l:libcrypto.so.3
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$at/key" -out "$at/certificate" -days 2 -subj /CN=bench 2>/dev/null
chmod 644 "$at/key"
mkdir "$at/policies"
cat > "$at/config.toml" <<END
[sensor]
gateway = '$release/aa-gateway'
prober_user = 'nobody'
run_dir = '$at/run'
pool_mib = 1
[gateway]
user = 'nobody'
run_dir = '$at/run'
state_dir = '$at/state'
policy_dir = '$at/policies'
audit_dir = '$at/audit'
END
printf 'policy: bench\nversion: 1\nmode: observe\ndefault: allow\nnet: {}\n' > "$at/policy.yaml"
printf 'policy: judging\nversion: 1\ndefault: allow\nnet: {}\ndata: {block: [secret, private-key]}\n' > "$at/judging.yaml"
measure() { "$@" "$at/tls" "$at/certificate" "$at/key"; }
aasm() { "$release/aasm" --socket "$at/run/control.sock" "$@" 2>> "$at/aasm.log"; }

bare=$(measure)
unshare --mount sh -c 'mount -t bpf bpf /sys/fs/bpf && exec "$0" --config "$1"' "$release/aa-sensord" "$at/config.toml" 2> "$at/log" &
daemon=$!
for _ in $(seq 200); do aasm agents > "$at/agents" && break; sleep 0.1; done
governed=$(cd "$at" && measure aasm run --policy "$at/policy.yaml" --work "$at" --)
judged=$(cd "$at" && measure aasm run --policy "$at/judging.yaml" --work "$at" --)
(cd "$at" && aasm run --policy "$at/policy.yaml" --work "$at" -- sh -c "'$at/tls' '$at/certificate' '$at/key' > '$at/unused'; sleep 60") &
for _ in $(seq 100); do aasm status --tls | grep -q libssl && break; sleep 0.1; done
sleep 5
neighbour=$(measure)
{ aasm kill all && aasm resume all; } > "$at/killed"
paste <(echo "$bare") <(echo "$governed") <(echo "$neighbour") <(echo "$judged") | awk '
	{ printf "SSL_write of %5d bytes: bare %6d ns, governed %+d ns, a neighbour while probed %+d ns\n", $1, $2, $6 - $2, $10 - $2
	  printf "    judged before it is encrypted: half of all calls within %.1f us, 99 of 100 within %.1f us\n", $15 / 1000, $16 / 1000 }'
lost() { { aasm status || true; } | sed -n 's/^lost: *//p'; }
echo "lost meanwhile: $(lost)"

# Nothing waits for who is merely heard: what comes faster than the gateway reads is lost, and counted. Who is judged waits.
stream() { (cd "$at" && aasm run --policy "$at/$1" --work "$at" -- "$at/tls" "$at/certificate" "$at/key" stream "$2" 5); }
heard=0
for rate in 50 100 150 200 300 400 600 800; do
	before=$(lost)
	reached=$(stream policy.yaml "$rate")
	sleep 1
	[ "$(lost)" = "$before" ] || break
	heard=$reached
	[ "$reached" -ge $((rate * 9 / 10)) ] || break
done
before=$(lost)
echo "a body without an end, 5 s, nothing lost: heard at $heard MB/s, judged before it is encrypted at $(stream judging.yaml 100000) MB/s"
[ "$(lost)" = "$before" ] || echo "    lost of what was judged: $(lost), before $before"

run_governed() { (cd "$at" && aasm run --policy "$at/policy.yaml" --work "$at" -- "$@"); }
gateway=$(pgrep -P "$daemon" -x aa-gateway)
resident() { awk '/^VmRSS/ {print $2}' "/proc/$1/status"; }
busy() { awk '{print ($14 + $15) * 1000 / '"$(getconf CLK_TCK)"'}' "/proc/$1/stat"; }
before=$(resident "$gateway")
mkfifo "$at/hold"
run_governed "$at/tls" "$at/certificate" "$at/key" connections 2000 < "$at/hold" > "$at/ready" &
exec 3> "$at/hold"
for _ in $(seq 600); do grep -q ready "$at/ready" && break; sleep 0.1; done
sleep 2
echo "kept of an open connection: $((($(resident "$gateway") - before) * 1024 / 2000)) bytes of the gateway's memory, of 2000"
exec 3>&-
wait "$!"

cp "$here/../tests/runtimes/server.py" "$here/exchanges.py" "$at"
(cd "$at" && ln -sf certificate cert.pem && ln -sf key key.pem && exec python3 server.py > "$at/port") &
others+=("$!")
for _ in $(seq 100); do [ -s "$at/port" ] && break; sleep 0.1; done
port=$(cat "$at/port")
short=1000
(cd "$at" && "$release/aasm" --socket "$at/run/control.sock" watch --json --policy "$at/policy.yaml" --work "$at" -- \
	sh -c "for i in \$(seq $short); do curl -sk -o /dev/null -d x https://localhost:$port/; done" 2> "$at/short")
echo "of $short curls one after another: $(grep -c '"kind":"exchange"' "$at/short") exchanges, $(grep -c '"doubts"' "$at/short") of them with a doubt"

count=2000
each() { awk -v after="$1" -v before="$2" -v count="$count" 'BEGIN { printf "%.3f", (after - before) / count }'; }
bare=$(python3 "$at/exchanges.py" "$port" "$count")
before=$(busy "$gateway")
(cd "$at" && "$release/aasm" --socket "$at/run/control.sock" watch --policy "$at/policy.yaml" --work "$at" -- python3 "$at/exchanges.py" "$port" "$count" > "$at/took" 2> "$at/watched")
watched="$(cat "$at/took") ms, $(each "$(busy "$gateway")" "$before") ms of the gateway, $(grep -c 'POST localhost' "$at/watched") of $((count + 20)) shown"
echo "an exchange of 2 kB and 4 kB back: alone $bare ms; with aasm watch $watched"
if command -v mitmdump > "$at/unused"; then
	mitmdump --set "confdir=$at/mitm" --ssl-insecure --listen-port 18080 > "$at/dumped" 2>&1 &
	proxy=$!
	others+=("$proxy")
	for _ in $(seq 100); do grep -q listening "$at/dumped" && break; sleep 0.1; done
	before=$(busy "$proxy")
	took=$(python3 "$at/exchanges.py" "$port" "$count" 18080)
	echo "    through mitmdump $took ms, $(each "$(busy "$proxy")" "$before") ms of its own, $(grep -c 'POST https' "$at/dumped") of $((count + 20)) shown"
else
	echo "    mitmdump is not installed: nothing to compare with"
fi
