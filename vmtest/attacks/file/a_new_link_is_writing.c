// SPDX-License-Identifier: Apache-2.0
/*
 * attack: makes a symbolic link in the denied directory, for others to follow
 * stopped by: path_symlink
 * record: symlink
 * effect: changes
 */
ATTACK
{
	return outcome(symlink("/etc/passwd", at("new")));
}
