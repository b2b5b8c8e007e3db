# Shared by the guest's scripts. Needs bash.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}"
RUN=/run/aa-vmtest
UNITS=/usr/lib/systemd/system
DAEMON_LOG=$RUN/daemon.log

# One line to the host. A virtio port has one opener at a time; all our writers are sequential.
tell() {
    printf '%s\n' "$*" >/dev/aa.control
}

# The guest cannot do what it is for: say so and wait to be killed.
fail() {
    tell "fail $*"
    sleep infinity
}

# Installs the job's files and makes the users they name; before any init runs.
prepare() {
    # shellcheck source=/dev/null
    . /run/aa-job/env.sh
    cp -r --preserve=mode /run/aa-job/files/. / >$RUN/install.log 2>&1 || fail "cannot install: $(tail -n 3 $RUN/install.log | tr '\n' ' ')"
    if compgen -G '/usr/lib/sysusers.d/aa-*.conf' >/dev/null; then
        systemd-sysusers /usr/lib/sysusers.d/aa-*.conf >$RUN/install.log 2>&1 ||
            fail "cannot make users: $(tail -n 3 $RUN/install.log | tr '\n' ' ')"
    fi
}

# Reads a unit into UNIT: the values of a key, one a line, continuation lines joined. In bash alone: every program started costs an
# emulated guest a tenth of a second.
read_unit() {
    local line whole=
    declare -gA UNIT=()
    while IFS= read -r line; do
        whole+=${line%\\}
        [[ $line == *\\ ]] && continue
        [[ $whole =~ ^([A-Za-z]+)=(.*)$ ]] && UNIT[${BASH_REMATCH[1]}]+=${BASH_REMATCH[2]}$'\n'
        whole=
    done <"$1"
}

# Does for a unit what systemd would, as far as our units need it: directories, environment, cgroup, user, ExecStart. The log is
# DAEMON_LOG, or /run/aa-vmtest/<unit>.log.
start_like_systemd() {
    local group=/sys/fs/cgroup/system.slice/$1 key name user log=$RUN/$1.log dirs=("/sys/fs/cgroup/system.slice/$1")
    [ "$1" = aa-sensord.service ] && log=$DAEMON_LOG
    read_unit "$UNITS/$1"
    read -r user <<<"${UNIT[User]-}"
    for key in Runtime:/run State:/var/lib Logs:/var/log Cache:/var/cache Configuration:/etc; do
        for name in ${UNIT[${key%%:*}Directory]-}; do
            dirs+=("${key#*:}/$name")
        done
    done
    mkdir -p "${dirs[@]}"
    (
        echo "$BASHPID" >"$group/cgroup.procs"
        while read -r setting; do
            [ -z "$setting" ] || eval "export $setting"
        done <<<"${UNIT[Environment]-}"
        # shellcheck disable=SC2086 # the words of ExecStart
        exec ${user:+setpriv --reuid="$user" --regid="$user" --clear-groups --bounding-set=-all --inh-caps=-all} \
            setsid ${UNIT[ExecStart]}
    ) </dev/null >"$log" 2>&1 &
    echo $! >"$RUN/${1%.service}.pid"
}

# Starts the daemon and says in AA_DAEMON what came of it: absent, running or refused.
start_daemon() {
    AA_DAEMON=absent
    if [ "$AA_START" = 1 ] && [ -e $UNITS/aa-sensord.service ]; then
        if [ -d /run/systemd/system ] && [ "$(cat /proc/1/comm)" = systemd ]; then
            start_by_systemd
        else
            start_by_hand
        fi
    fi
    export AA_DAEMON
    # A kernel that cannot enforce may be refused; there the script judges. Elsewhere no daemon, no test.
    case "$AA_DAEMON $AA_EXPECT" in
    'refused enforce' | 'refused fmod-ret')
        tail -n 40 "$DAEMON_LOG" >/dev/aa.stderr
        fail "aa-sensord did not start on a kernel where it must; the end of its log stands above"
        ;;
    esac
}

start_by_systemd() {
    if timeout 200 systemctl start aa-sensord.service; then
        AA_DAEMON=running
    else
        AA_DAEMON=refused
    fi
    journalctl --no-pager -o cat -u aa-sensord.service >"$DAEMON_LOG" 2>&1
}

start_by_hand() {
    start_like_systemd aa-sensord.service
    local pid=$! deadline=$((SECONDS + 600))
    start_like_systemd aa-resolver.service
    AA_DAEMON=refused
    while kill -0 "$pid" 2>/dev/null && [ $SECONDS -lt $deadline ]; do
        if aasm status >/dev/null 2>&1; then
            AA_DAEMON=running
            return
        fi
        sleep 0.2
    done
}
