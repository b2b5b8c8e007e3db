// SPDX-License-Identifier: Apache-2.0
/*
 * attack: freezes the sensor by its cgroup
 * stopped by: file_open: cgroupfs is not allowed to be written
 * record: open-write
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	return outcome(open("/sys/fs/cgroup/system.slice/aa-sensord.service/cgroup.freeze", O_WRONLY));
}
