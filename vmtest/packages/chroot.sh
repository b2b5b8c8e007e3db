#!/bin/sh
# In a new Debian at $1, in which nothing runs: the .deb $2 is installed, its programs start, and it is purged.
set -ex
cp "$2" "$1/aa.deb"
inside() { chroot "$1" /bin/sh -exc "$2"; }
inside "$1" 'find /etc /usr /var | sort >/before
dpkg -i /aa.deb
getent passwd aa-gateway aa-prober aa-resolver aa-courier
test "$(systemctl is-enabled aa-sensord)" = enabled
aasm --version
aa-sensord --version
cd /srv
aasm policy check /usr/share/aa-sensord/packs/coding-agent.yaml
echo "{\"password\": \"correct-horse-9\"}" | aasm redact | grep REDACTED
dpkg -r aa-sensord
test -e /etc/aa-sensord/config.toml
dpkg -P aa-sensord
find /etc /usr /var | sort >/after
comm -13 /before /after | grep -vE "^/etc/(passwd|group|shadow|gshadow)-$|^/etc/\.pwd\.lock$|^/var/lib/dpkg|^/var/log" >/left || true
cat /left
! test -s /left'
