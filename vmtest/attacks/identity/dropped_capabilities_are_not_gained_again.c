// SPDX-License-Identifier: Apache-2.0
/*
 * attack: acts as root without capabilities, and has a program that is run by root give them back
 * stopped by: bprm_creds_from_file
 * record: setuid
 * effect: returns
 * twin: ungoverned
 */
#include <linux/capability.h>

ATTACK
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = {};
	char *arguments[] = { "/usr/bin/true", 0 };

	must(setresuid(65534, 0, 0));
	must(syscall(SYS_capset, &header, none));
	return outcome(execve(arguments[0], arguments, environ));
}
