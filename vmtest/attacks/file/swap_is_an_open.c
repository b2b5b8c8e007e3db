// SPDX-License-Identifier: Apache-2.0
/*
 * attack: has the kernel swap to a denied file
 * stopped by: file_open
 * record: open-write
 * effect: returns
 */
ATTACK
{
	long result = syscall(SYS_swapon, at("secret"), 0);

	/* One that is allowed has no swap signature: it was opened and looked at. */
	return !world.denied && errno == EINVAL ? HAPPENED : outcome(result);
}
