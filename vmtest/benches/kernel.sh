# Measures in one boot: the bare kernel, programs that do nothing, and the daemon. Lines for bench.rs on stdout:
#   figure CONFIGURATION OPERATION MEDIAN LEAST
# $1 is `counted` where the clock counts instructions, `hooks` for a part of that, or `timed`: only what is told in
# milliseconds.
. /run/aa-vmtest/lib.sh
here=/opt/aa-bench measure=/opt/aa-bench/measure data=/srv/aa-bench run=/run/aa-bench pins=/sys/fs/bpf/aa-bench
peer=/opt/aa-bench/peer
mkdir -p $data $run
# In a control group of its own, as everything on a host with systemd: the first one that accounts for memory makes every
# later allocation of the whole machine dearer, and the daemon would be blamed for it.
mkdir /sys/fs/cgroup/aa-bench
echo $$ >/sys/fs/cgroup/aa-bench/cgroup.procs
config=/etc/aa-sensord/config.toml

say() { while read -r line; do echo "figure $1 $line"; done; }
pids() { pidof aa-sensord aa-gateway aa-resolver; }

# What is being measured now, for who waits.
part() { echo "aa-vmtest: measuring $1" >&2; }

# Each configuration opens files nobody has opened before.
fresh() { part "${1##*/}"; sync; $measure prepare "$1"; }

# The arguments of `measure`: what, and on what.
subject() { if [ "$2" = hooks ]; then echo hooks $data/"$1"; else echo workload $here/tiny; fi; }

ungoverned() { # CONFIGURATION hooks|workload
    fresh $data/"$1"
    $measure $(subject "$1" "$2") <<<x | say "$1"
}

# What Landlock adds, which every process can take upon itself, to have something to compare with.
landlocked() { # CONFIGURATION hooks|workload
    fresh $data/"$1"
    $measure landlocked $data/"$1" $(subject "$1" "$2") <<<x | say "$1"
}

# What Tetragon adds, if bench.rs was given its programs: the ten rules in its language (peer.yaml) for $peer/measure and what that
# starts. Like the daemon it stands still while hooks are measured, with room for all that it would be told.
judged_by_peer() { # CONFIGURATION hooks|workload
    fresh $data/"$1"
    $peer/measure $(subject "$1" "$2") <<<x | say "$1"
}

start_peer() { # CONFIGURATION POLICY
    part "a start of Tetragon"
    local begun process
    begun=$(date +%s%N)
    $peer/tetragon --bpf-lib $peer/bpf --server-address '' --health-server-address '' --rb-size-total 32M \
        --tracing-policy "$2" >$run/peer.log 2>&1 &
    process=$!
    until grep -q 'Listening for events' $run/peer.log; do
        kill -0 $process || { tail -n 3 $run/peer.log >&2; return 1; }
        sleep 0.1
    done
    echo "figure start $1 $(($(date +%s%N) - begun)) 0"
    sleep 2
    awk -v name="$1" '/^Rss:/ {rss = $2} /^Pss:/ {pss = $2} END {print "figure memory", name, pss, rss}' /proc/$process/smaps_rollup
    kill -STOP $process
    if $peer/measure asks 1 /etc/hostname 2>/dev/null; then
        echo "Tetragon lets everything happen" >&2
        exit 1
    fi
}

stop_peer() {
    kill -CONT "$(pidof tetragon)"
    kill "$(pidof tetragon)"
    wait
    [ -z "$(bpftool prog show | grep generic_lsm)" ] || { echo "Tetragon's programs stay" >&2; exit 1; }
}

with_peer() { # hooks, or hooks and workload
    local what
    [ -e $peer/tetragon ] || return
    cp $measure $peer/measure
    start_peer peer $peer/policy.yaml || return
    for what; do
        ungoverned peer-ungoverned${work[$what]} "$what"
        judged_by_peer peer${work[$what]} "$what"
    done
    stop_peer
    sed 's/^    #-/    -/; s/NoPost/Post/' $peer/policy.yaml >$run/recorded.yaml
    start_peer peer-recorded $run/recorded.yaml || return
    for what; do judged_by_peer peer-recorded${work[$what]} "$what"; done
    stop_peer
}
declare -A work=([hooks]='' [workload]=-work)

# The daemon's own work is not the hook's: it stands still while hooks are measured.
frozen() { # CONFIGURATION POLICY hooks|workload
    fresh $data/"$1"
    rm -f $run/go; mkfifo $run/go
    aasm run --policy "$2" --work $data -- $measure $(subject "$1" "$3") <$run/go >$run/out &
    local job=$!
    exec 5>$run/go
    until pidof measure >/dev/null; do kill -0 $job || return; sleep 0.2; done
    sleep 1
    kill -STOP $(pids)
    echo x >&5
    exec 5>&-
    while pidof measure >/dev/null; do sleep 1; done
    kill -CONT $(pids)
    wait $job
    say "$1" <$run/out
}

# What a process has run so far, in ns, all its threads: in a counted guest, instructions.
ran() { local p; for p in $(pidof "$1"); do cat /proc/"$p"/task/*/schedstat; done | awk '{sum += $1} END {print sum}'; }

start() { part "a start"; AA_START=1 start_daemon; [ "$AA_DAEMON" = running ] || { cat "$DAEMON_LOG" >&2; exit 1; }; }

stop() {
    # shellcheck disable=SC2046 # two of them
    kill $(pidof aa-sensord aa-resolver)
    while pids >/dev/null; do sleep 0.1; done
}

load() { # NAME: how long a policy of 10,000 rules takes until it is in force
    part load
    local begun ended
    begun=$(date +%s%N)
    aasm policy apply $here/rules-10000.yaml >&2 || return
    ended=$(date +%s%N)
    echo "figure load apply $((ended - begun)) 0"
    sed -n 's/.*policy in force.* took_us=\([0-9]*\).*/\1000/p' "$DAEMON_LOG" | tail -n 1 | sed 's/.*/figure load tables & 0/'
}

launches() {
    part launches
    $measure launch 20 /bin/true | sed 's/launch/plain/' | say launch
    $measure launch 20 /usr/bin/aasm --version >$run/out; tail -n 1 $run/out | sed 's/launch/tool/' | say launch
    $measure launch 3 /usr/bin/aasm run --policy coding-agent --work $data -- /bin/true >/dev/null
    $measure launch 20 /usr/bin/aasm run --policy coding-agent --work $data -- /bin/true | sed 's/launch/governed/' | say launch
}

# From an open that asks until it has its descriptor, where a program says yes at once.
asks() {
    part asks
    local approver
    echo x >$data/asked
    printf 'policy: asks\nversion: 1\nfile: {read: {allow: [/**], ask: [%s/asked]}}\n' $data >$run/asks.yaml
    $here/approver &
    approver=$!
    aasm run --policy $run/asks.yaml --work $data -- $measure asks 50 $data/asked 2>/dev/null | say hold
    kill $approver
}

# From the call until the last of 200 processes that are at work opened a file, and until the answer: all have ended.
kills() {
    part kills
    local round job swarm=$run/swarm
    printf 'policy: swarm\nversion: 1\nfile: {read: {allow: [/**]}}\n' >$run/swarm.yaml
    for round in 1 2 3 4 5 6 7; do
        rm -f $swarm
        aasm run --policy $run/swarm.yaml --name swarm$round --work $data -- $measure swarm 200 $swarm 2>/dev/null &
        job=$!
        until [ "$(aasm agents 2>/dev/null | grep -c ' measure$')" -ge 201 ]; do sleep 0.5; done
        sleep 1
        $here/killer swarm$round $swarm
        wait $job
    done >$run/kills
    awk '{print $1}' $run/kills | sort -n | awk '{at[NR] = $1} END {print "last-effect", at[4], at[1]}' | say kill
    awk '{print $3}' $run/kills | sort -n | awk '{at[NR] = $1} END {print "ended", at[4], at[1]}' | say kill
}

started() { sed -n 's/.*in force and proven.* took_ms=\([0-9]*\).*/\1000000/p' "$DAEMON_LOG" | tail -n 1 | sed 's/.*/figure start proven & 0/'; }

if [ "$1" = timed ]; then
    start
    started
    launches
    asks
    kills
    load
    exit
fi

# What each program ran on average while a governed task did every operation, by the kernel's own statistics. They cost
# something themselves.
programs() {
    sysctl -qw kernel.bpf_stats_enabled=1
    frozen statistics $here/rules-10.yaml hooks
    sysctl -qw kernel.bpf_stats_enabled=0
    bpftool prog show --json | python3 -c '
import json, sys
for program in json.load(sys.stdin):
    if program.get("run_cnt"):
        print("figure program", program["name"], program["run_time_ns"] / program["run_cnt"], program["run_cnt"])'
}

silent() {
    sed -i 's/^# record_activity = true/record_activity = false/' $config
    start
}

if [ "$1" = hooks ]; then
    ungoverned bare hooks
    with_peer hooks
    bpftool prog loadall $here/empty.bpf.o $pins autoattach >$run/log 2>&1 || { cat $run/log >&2; exit 1; }
    ungoverned empty hooks
    rm -r $pins
    silent
    ungoverned ungoverned hooks
    frozen silent-10 $here/rules-10.yaml hooks
    programs
    exit
fi

ungoverned bare hooks
ungoverned bare-work workload
landlocked landlock hooks
landlocked landlock-work workload
with_peer hooks workload

bpftool prog loadall $here/empty.bpf.o $pins autoattach >$run/log 2>&1 || { cat $run/log >&2; exit 1; }
for family in 4 6; do
    bpftool cgroup attach /sys/fs/cgroup cgroup_udp${family}_sendmsg pinned $pins/datagram$family || exit 1
done
ungoverned empty hooks
ungoverned empty-work workload
for family in 4 6; do
    bpftool cgroup detach /sys/fs/cgroup cgroup_udp${family}_sendmsg pinned $pins/datagram$family
done
rm -r $pins

start
started
sleep 2
processes="aa-sensord aa-gateway aa-resolver"
declare -A before
for process in $processes; do before[$process]=$(ran $process); done
sleep 20
for process in $processes; do
    echo "figure idle $process $((($(ran $process) - before[$process]) / 20)) 0"
    for pid in $(pidof $process); do cat /proc/"$pid"/smaps_rollup; done |
        awk -v name=$process '/^Rss:/ {rss += $2} /^Pss:/ {pss += $2} END {print "figure memory", name, pss, rss}'
done

ungoverned ungoverned hooks
ungoverned ungoverned-work workload
launches
asks
kills
frozen recorded-10 $here/rules-10.yaml hooks
frozen recorded-1000 $here/rules-1000.yaml hooks
frozen recorded-work coding-agent workload
before_gateway=$(ran aa-gateway)
fresh $data/live-work
aasm run --policy coding-agent --work $data -- $measure workload $here/tiny <<<x | say live-work
sleep 3
echo "figure live-work gateway $(($(ran aa-gateway) - before_gateway)) 0"
load

stop
silent
frozen silent-10 $here/rules-10.yaml hooks
frozen silent-1000 $here/rules-1000.yaml hooks
frozen silent-work coding-agent workload
