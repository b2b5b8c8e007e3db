// SPDX-License-Identifier: Apache-2.0
/*
 * attack: connects to a denied unix socket, as those of docker, containerd, systemd, D-Bus, ssh-agent and cron are
 * stopped by: unix_stream_connect: it needs a rule
 * record: unix-connect
 * effect: reaches
 */
ATTACK
{
	return connect_unix(SOCK_STREAM, world.denied ? "/srv/attack/sockets-deny/stream" : "/srv/attack/sockets-allow/stream");
}
