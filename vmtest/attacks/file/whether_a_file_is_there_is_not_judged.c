// SPDX-License-Identifier: Apache-2.0
/*
 * attack: learns size and times of a denied file by stat
 * not stopped: looking is not opening: names and metadata are not governed, only content
 * effect: returns
 */
ATTACK
{
	struct stat about;

	return outcome(stat(at("secret"), &about));
}
