#!/bin/bash
# The job: the daemon, then the script or shell. Its output and status go to the host.
. /run/aa-vmtest/lib.sh
. /run/aa-job/env.sh
export AA_KERNEL AA_EXPECT
ip link set lo up
start_daemon
cd /root || exit

if [ "$AA_MODE" = shell ]; then
    tell start
    stty -F /dev/ttyS1 sane
    TERM=vt100 setsid --ctty --wait bash --login -i </dev/ttyS1 >/dev/ttyS1 2>&1
    tell "exit $?"
    sleep infinity
fi

# Pipes in between, because a virtio port cannot be opened a second time, as `>/dev/stderr` in a script would do.
mkfifo $RUN/stdout $RUN/stderr
cat $RUN/stdout >/dev/aa.stdout &
readers=$!
cat $RUN/stderr >/dev/aa.stderr &
readers="$readers $!"

install -m 755 /run/aa-job/script $RUN/script
# shellcheck source=/dev/null
. /run/aa-job/args.sh
interpreter=
[ "$(head -c 2 $RUN/script)" = '#!' ] || interpreter=/bin/bash
tell start
$interpreter $RUN/script "$@" </dev/null >$RUN/stdout 2>$RUN/stderr
status=$?
# The readers end with the last writer, on a busy machine seconds after it. What the script left running may keep them; then
# what is in the pipes by now is enough.
for _ in {1..200}; do
    # shellcheck disable=SC2086 # a list
    kill -0 $readers 2>/dev/null || break
    sleep 0.05
done
tell "exit $status"
sleep infinity
