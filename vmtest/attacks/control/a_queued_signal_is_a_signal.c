// SPDX-License-Identifier: Apache-2.0
/*
 * attack: sends somebody else's process a real-time signal with a value (rt_sigqueueinfo)
 * stopped by: task_kill
 * record: signal
 * effect: harms
 */
ATTACK
{
	siginfo_t info = { .si_signo = SIGRTMIN, .si_code = SI_QUEUE };

	return outcome(syscall(SYS_rt_sigqueueinfo, target(), SIGRTMIN, &info));
}
