// SPDX-License-Identifier: Apache-2.0
/*
 * attack: lets the kernel wait for the page with the path (userfaultfd) and gives it a denied one
 * stopped by: file_open
 * record: open-read
 * effect: reads
 */
#include <linux/userfaultfd.h>

static char *late_page;
static int late_fd;

static void *provide_page(void *unused)
{
	static char page[4096];
	struct uffd_msg message;
	struct uffdio_copy copy = { .dst = (uintptr_t)late_page, .src = (uintptr_t)page, .len = sizeof(page) };

	must(read(late_fd, &message, sizeof(message)));
	snprintf(page, sizeof(page), "%s", at("secret"));
	must(ioctl(late_fd, UFFDIO_COPY, &copy));
	return unused;
}

ATTACK
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	pthread_t thread;

	late_fd = (int)must(syscall(SYS_userfaultfd, O_CLOEXEC));
	must(ioctl(late_fd, UFFDIO_API, &api));
	late_page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	range.range.start = (uintptr_t)late_page;
	range.range.len = 4096;
	must(ioctl(late_fd, UFFDIO_REGISTER, &range));
	must(pthread_create(&thread, 0, provide_page, 0) ? -1 : 0);
	return leak_file(late_page);
}
