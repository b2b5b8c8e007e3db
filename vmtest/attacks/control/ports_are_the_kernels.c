// SPDX-License-Identifier: Apache-2.0
/*
 * attack: speaks to devices by their ports, past the kernel (ioperm)
 * stopped by: capable: CAP_SYS_RAWIO
 * record: kernel
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	return outcome(syscall(SYS_ioperm, 0x80, 1, 1));
}
