// SPDX-License-Identifier: Apache-2.0
/*
 * attack: connects to the control socket, to approve what it asked itself
 * stopped by: unix_stream_connect: no rule allows it
 * record: unix-connect
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	return connect_unix(SOCK_STREAM, "/run/aa-sensord/control.sock");
}
