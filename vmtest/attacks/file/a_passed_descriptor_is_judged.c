// SPDX-License-Identifier: Apache-2.0
/*
 * attack: is handed an open descriptor of a denied file by an ungoverned process
 * stopped by: file_receive: a written denial holds for passed files
 * record: open-read
 * effect: reads
 */
ATTACK
{
	return leak(receive(world.denied ? "@attack-file-file-deny" : "@attack-file-file-allow"));
}
