// SPDX-License-Identifier: Apache-2.0
/*
 * attack: reads what the last of ten thousand rules denies
 * stopped by: file_open: rules are one automaton, whatever their number
 * record: open-read
 * effect: reads
 * under: ten thousand rules
 */
ATTACK
{
	return leak_file(at("secret"));
}
