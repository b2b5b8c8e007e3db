// SPDX-License-Identifier: Apache-2.0
/*
 * attack: calls itself as one of ours is called (prctl PR_SET_NAME)
 * stopped by: task storage: names are not looked at
 * record: open-read
 * effect: reads
 */
ATTACK
{
	must(prctl(PR_SET_NAME, "aa-sensord"));
	return leak_file(at("secret"));
}
