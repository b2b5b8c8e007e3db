#!/usr/bin/env bash
# What probes cost on this machine (promise T3): nanoseconds a call of SSL_write, with no probe, governed, by a neighbour whom nobody
# governs while the library is probed, and where each call waits until the gateway has judged it (`data.block`). The daemon runs in a mount namespace whose BPF file system is its own. Root; `make bench B=tls`.
set -euo pipefail
release=$(cd "$(dirname "$0")/../../.." && pwd)/target/release
here=$(cd "$(dirname "$0")" && pwd)
at=$(mktemp -d)
chmod 755 "$at"
daemon=
trap '[ -z "$daemon" ] || { kill "$daemon"; wait "$daemon" 2>/dev/null || true; }; rm -rf "$at"' EXIT

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
aasm kill all > "$at/killed"
lost=$({ aasm status || true; } | sed -n 's/^lost: *//p')
paste <(echo "$bare") <(echo "$governed") <(echo "$neighbour") <(echo "$judged") | awk '
	{ printf "SSL_write of %5d bytes: bare %6d ns, governed %+d ns, a neighbour while probed %+d ns\n", $1, $2, $6 - $2, $10 - $2
	  printf "    judged before it is encrypted: half of all calls within %.1f us, 99 of 100 within %.1f us\n", $15 / 1000, $16 / 1000 }'
echo "lost meanwhile: ${lost:-not told}"
