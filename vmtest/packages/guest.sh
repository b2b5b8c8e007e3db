#!/bin/bash
# The packages in a guest under systemd that has nothing of ours: guest.sh OLD.deb NEW.deb. Each step says what must hold after it; the
# last line counts. An agent tries something denied and something allowed all the time, whatever happens to the packages meanwhile.
cd /root || exit
old=$1 new=$2
passed=0 failed=0
pins=/sys/fs/bpf/aa-sensord

# name, condition: the rest of the line, as a command.
holds() {
    local name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED  %s: %s\n' "$name" "$*"
    fi
}
is() { [ "$1" = "$2" ] || { printf '        got `%s`\n' "$1"; false; }; }
says() { grep -qF -- "$2" <<<"$1" || { printf '        `%s` is not in\n%s\n' "$2" "$1"; false; }; }
not() { ! "$@"; }
property() { systemctl show --value -p "$1" aa-sensord.service; }
journal() { journalctl --no-pager -o cat -u aa-sensord.service --since "@$1"; }
sensor() { property MainPID; }
step() { printf '\n== %s (%d s)\n' "$1" "$SECONDS"; }
eventually() {
    local until=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $until ] || return 1
        sleep 0.5
    done
}

# --- an agent ---
echo secret >/root/secret
echo open >/root/open
cat >/root/agent.py <<'PYTHON'
import errno, os, sys, time
tried, wrong = 0, []
while not os.path.exists(sys.argv[1] + ".stop"):
    try:
        open("/root/secret").close()
        wrong.append("let through at %.1f" % time.monotonic())
    except OSError as error:
        if error.errno != errno.EPERM:
            wrong.append(repr(error))
    try:
        open("/root/open").close()
    except OSError as error:
        wrong.append("what is allowed: %r" % error)
    tried += 1
    with open(sys.argv[1], "w") as told:
        told.write("%d %s" % (tried, "; ".join(wrong[:5])))
    time.sleep(0.02)
PYTHON
cat >/root/demo.yaml <<'YAML'
policy: demo
version: 1
file:
  read: {allow: [/**], deny: [/root/secret]}
  write: {allow: [/**]}
YAML

begin_agent() {
    rm -f /root/tries /root/tries.stop
    aasm run --policy /root/demo.yaml -- python3 /root/agent.py /root/tries >/root/agent.log 2>&1 &
    agent=$!
    eventually 30 test -s /root/tries || { cat /root/agent.log; return 1; }
}
# What it tried, and that none of it was let through.
end_agent() {
    touch /root/tries.stop
    wait $agent
    local tried wrong
    read -r tried wrong </root/tries
    holds "$1: the agent tried all the time" test "$tried" -gt "$2"
    holds "$1: no action was let through or wrongly denied" is "$wrong" ""
    printf '        %s: %d times tried, %s\n' "$1" "$tried" "${wrong:-each denied}"
}

everything() { find /etc /usr /var /opt /srv /root /home -xdev -not -path '/var/log/journal/*' -not -path '/usr/lib/modules/*' | sort; }

# --- steps ---
everything >/tmp/before

step "install"
said=$(dpkg -i "$old" 2>&1)
holds "dpkg -i ends well" is $? 0
printf '%s\n' "$said"
holds "it says what comes next" says "$said" "aasm run --policy observe-all -- CMD"
holds "the daemon runs" is "$(property ActiveState)" active
holds "and at the next boot" is "$(systemctl is-enabled aa-sensord)" enabled
holds "its state says whom it governs" says "$(property StatusText)" "no policy file"
holds "the accounts are there" getent passwd aa-gateway aa-prober aa-resolver aa-courier
holds "the program of the tests is not" not test -e /usr/lib/aa-sensord
eventually 60 aasm status >/dev/null
holds "all is healthy" says "$(aasm status)" "aa-sensord is healthy"
systemctl --no-pager --full status aa-sensord

step "first start denies nothing"
before=$(aasm events --denied --json -n 100000 | wc -l)
holds "a program reads what it may read" is "$(aasm run --policy observe-all --work /srv -- cat /root/secret)" secret
holds "no denial was recorded" is "$(aasm events --denied --json -n 100000 | wc -l)" "$before"

step "a denial, and why"
said=$(aasm run --policy /root/demo.yaml -- cat /root/secret 2>&1)
holds "the action fails" says "$said" "Operation not permitted"
number=$(sed -n 's/.*aasm why \([0-9]*\).*/\1/p' <<<"$said" | head -n 1)
why=$(aasm why "$number")
printf '%s\n$ aasm why %s\n%s\n' "$said" "$number" "$why"
holds "why names the rule" says "$why" "deny: /root/secret"
holds "why says what would allow it" says "$why" "to allow it:"

step "policies from files: reload"
cp /bin/cat /usr/local/bin/reader
sed 's|^version: 1|version: 1\ngoverns: [{exec: /usr/local/bin/reader}]|' demo.yaml >/etc/aa-sensord/policies/demo.yaml
systemctl reload aa-sensord
holds "the reload is shown" eventually 20 says "$(sleep 3; property StatusText)" "1 policy file"
holds "who is selected is denied" not /usr/local/bin/reader /root/secret
holds "and else is not" is "$(/usr/local/bin/reader /root/open)" open

step "a broken policy"
since=$(date +%s)
sed -i 's/deny: \[/denny: [/' /etc/aa-sensord/policies/demo.yaml
systemctl reload aa-sensord
sleep 3
holds "the state names the file" says "$(property StatusText)" "NOT IN FORCE, as \`aasm status\` explains: /etc/aa-sensord/policies/demo.yaml"
holds "the journal names the mistake" says "$(journal "$since")" denny
holds "and what to do" says "$(journal "$since")" "aasm policy check /etc/aa-sensord/policies/demo.yaml"
holds "what was in force is" not /usr/local/bin/reader /root/secret
since=$(date +%s)
systemctl restart aa-sensord
holds "it starts with it, too" is "$(property ActiveState)" active
holds "and says so" says "$(property StatusText)" "NOT IN FORCE"
holds "what was in force still is" not /usr/local/bin/reader /root/secret
sed -i 's/denny: \[/deny: [/' /etc/aa-sensord/policies/demo.yaml
systemctl reload aa-sensord
sleep 3
holds "mended, it is in force" says "$(property StatusText)" "every hook proven; 1 policy file"
rm /etc/aa-sensord/policies/demo.yaml
systemctl reload aa-sensord

step "a broken configuration"
begin_agent
for table in sensor gateway; do
    since=$(date +%s)
    cp /etc/aa-sensord/config.toml /root/config.kept
    sed -i "s/^\[$table\]/[$table]\nno_such_key = 1/" /etc/aa-sensord/config.toml
    holds "[$table]: it does not start" not systemctl restart aa-sensord
    holds "[$table]: its state" is "$(property ActiveState) $(property ExecMainStatus)" "failed 78"
    holds "[$table]: the journal names the key" says "$(journal "$since")" no_such_key
    holds "[$table]: and the file" says "$(journal "$since")" /etc/aa-sensord/config.toml
    journal "$since" | tail -n 8
    cp /root/config.kept /etc/aa-sensord/config.toml
    holds "[$table]: mended, it starts" systemctl start aa-sensord
done
end_agent "configuration" 50

step "a second one"
running=$(sensor)
said=$(aa-sensord 2>&1)
holds "it ends with 1" is $? 1
holds "and says why" says "$said" "aa-sensord is running already"
holds "and what to do" says "$said" "systemctl status aa-sensord"
holds "the first goes on" is "$(sensor)" "$running"

step "a sensor that hangs"
begin_agent
running=$(sensor)
kill -STOP "$running"
other() { [ "$(sensor)" != "$running" ] && [ "$(sensor)" != 0 ] && [ "$(property ActiveState)" = active ]; }
holds "the watchdog starts another" eventually 150 other
holds "the journal says so" says "$(journal 0)" "Watchdog timeout"
end_agent "watchdog" 50

step "upgrade, by a build with other programs"
echo '# mine' >>/etc/aa-sensord/config.toml
begin_agent
running=$(sensor)
# As another build's: its programs are then brought in beside those in force, and take their place.
build=$(basename $pins/*-*)
mv "$pins/$build" "$pins/${build%-*}-0000000000"
began=$(date +%s%N)
holds "dpkg -i of the next version" dpkg -i "$new"
printf '        took %d ms\n' $((($(date +%s%N) - began) / 1000000))
holds "the next version is installed" is "$(dpkg-query -W -f '${Version}' aa-sensord)" "$(dpkg-deb -f "$new" Version)"
holds "another sensor runs" other
holds "it took over" is "$(basename $pins/*-*)" "$build"
holds "my configuration is kept" says "$(tail -n 1 /etc/aa-sensord/config.toml)" "# mine"
end_agent "upgrade" 50

step "a crash in the middle of an upgrade"
begin_agent
holds "unpacked and not configured" dpkg --unpack "$old"
holds "the old daemon goes on" is "$(property ActiveState)" active
running=$(sensor)
kill -KILL "$running"
holds "the unpacked one starts" eventually 60 other
holds "and the package can be configured" dpkg --configure -a
end_agent "crash" 50

step "remove fails if the log cannot be written"
begin_agent
mount --bind /var/lib/aa-sensord/audit /var/lib/aa-sensord/audit
mount -o remount,bind,ro /var/lib/aa-sensord/audit
said=$(dpkg -r aa-sensord 2>&1)
holds "dpkg -r fails" test $? -ne 0
printf '%s\n' "$said"
holds "and says so" says "$said" "aa-sensord is not removed"
holds "the package is still there" is "$(dpkg-query -W -f '${db:Status-Status}' aa-sensord)" installed
umount /var/lib/aa-sensord/audit
systemctl restart aa-sensord
# It fails closed while the log cannot be written: what is allowed may have been denied, but nothing was let through.
touch /root/tries.stop
wait $agent
holds "nothing was let through" not grep -q "let through" /root/tries

step "remove"
begin_agent
cp /root/demo.yaml /etc/aa-sensord/policies/mine.yaml
said=$(dpkg -r aa-sensord 2>&1)
holds "dpkg -r ends well" is $? 0
printf '%s\n' "$said"
holds "it says that enforcement ended, and for whom" says "$said" "nothing is enforced any more; 1 processes were governed"
holds "nothing is in force" not test -e $pins
holds "nothing of ours runs" not pgrep -x 'aa-sensord|aa-gateway|aa-prober|aa-resolver|aa-courier'
holds "no unit has failed" is "$(systemctl list-units --failed --plain --no-legend 'aa-*')" ""
holds "audit log and policies are kept" test -d /var/lib/aa-sensord/audit -a -f /etc/aa-sensord/policies/mine.yaml
touch /root/tries.stop
wait $agent

step "install again"
holds "dpkg -i" dpkg -i "$new"
holds "it runs" is "$(property ActiveState)" active
holds "the log goes on, whole" says "$(aasm audit verify)" intact
holds "it knows that enforcement had ended" says "$(aasm events --json -n 100000)" '"unload"'
holds "my configuration is kept" says "$(tail -n 1 /etc/aa-sensord/config.toml)" "# mine"

step "figures"
systemctl stop aa-sensord
aa-sensord unload
began=$(date +%s%N)
systemctl start aa-sensord
printf 'from `systemctl start` to ready: %d ms\n' $((($(date +%s%N) - began) / 1000000))
printf 'installed: %s KiB\n' "$(dpkg-query -W -f '${Installed-Size}' aa-sensord)"
grep -h VmRSS $(for pid in $(pgrep -x 'aa-sensord|aa-gateway|aa-prober|aa-resolver'); do echo "/proc/$pid/status"; done) |
    awk '{kib += $2} END {print "resident, all processes:", kib, "KiB"}'
for unit in aa-sensord aa-resolver; do
    exposure=$(systemd-analyze security --no-pager $unit.service | sed -n 's/.*Overall exposure level[^:]*: \([0-9.]*\).*/\1/p')
    printf 'exposure of %s: %s\n' $unit "$exposure"
    holds "$unit is little exposed" awk "BEGIN {exit !($exposure <= 4.5)}"
done

step "purge"
said=$(dpkg -P aa-sensord 2>&1)
holds "dpkg -P ends well" is $? 0
printf '%s\n' "$said"
holds "it says what it deletes" says "$said" "purge deletes /var/lib/aa-sensord:"
everything >/tmp/after
rm -f /usr/local/bin/reader
left=$(comm -13 /tmp/before /tmp/after | grep -vE '^/root/|^/usr/local/bin/reader$|^/etc/(passwd|group|shadow|gshadow|subuid|subgid)-$|^/var/lib/dpkg/|^/var/log/')
holds "nothing is left" is "$left" ""
holds "nothing is in force" not test -e $pins

printf '\n%d passed, %d failed\n' $passed $failed
[ $failed = 0 ]
