#!/bin/sh
# In a new root at $1: the .rpm $2 is installed, looked through, upgraded by itself, and erased. `--nodeps`: the root's packages are not rpm's.
set -ex
rpm --root "$1" --initdb
rpm --root "$1" -ivh --nodeps "$2"
chroot "$1" getent passwd aa-gateway aa-prober aa-resolver aa-courier
chroot "$1" aasm --version
chroot "$1" test -L /etc/systemd/system/multi-user.target.wants/aa-sensord.service
# Each file as it was packed; owners and modes too.
rpm --root "$1" -V --nodeps aa-sensord
rpm --root "$1" -q --requires aa-sensord
mkdir -p "$1/var/lib/aa-sensord/audit"
echo "# mine" >>"$1/etc/aa-sensord/config.toml"
rpm --root "$1" -Uvh --nodeps --force "$2"
grep "# mine" "$1/etc/aa-sensord/config.toml"
rpm --root "$1" -e --nodeps aa-sensord
test ! -e "$1/usr/sbin/aa-sensord"
test ! -e "$1/etc/systemd/system/multi-user.target.wants/aa-sensord.service"
# Erased is not purged.
test -d "$1/var/lib/aa-sensord/audit"
