// SPDX-License-Identifier: Apache-2.0
/*
 * attack: binds a unix socket in the denied directory
 * stopped by: path_mknod
 * record: mknod
 * effect: changes
 */
ATTACK
{
	union address here;
	socklen_t length = make_unix(&here, at("new"));

	return outcome(bind((int)must(socket(AF_UNIX, SOCK_STREAM, 0)), &here.any, length));
}
