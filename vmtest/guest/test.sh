#!/bin/bash
# What `aa-vmtest test` runs in each guest; arguments are passed on.
program=/usr/lib/aa-sensord/tests/aa-guest-test
if ! [ -x $program ]; then
    echo "no $program in the guest: is it in daemon/packaging/install.manifest?" >&2
    exit 1
fi
exec $program "$@"
