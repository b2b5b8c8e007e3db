// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Reads what is in the program that a governed task is about to run, if its policy looks at that; see lib/content.bpf.h. */
#include "../lib/content.bpf.h"
#include "../lib/subject.bpf.h"

AA_LICENSE;

enum aa_hashing {
	AA_HASH_ALGO_SHA256 = 4,	    /* include/uapi/linux/hash_info.h */
};

/* Never denies. */
SEC("?lsm.s/bprm_check_security")
int BPF_PROG(read_content, struct linux_binprm *bprm)
{
	struct aa_identity *identity = identity_of(bpf_get_current_task_btf());
	struct subject subject;

	if (!identity)
		return 0;
	subject_of_agent(&subject, identity->agent, identity->session);
	if (!subject.policy || !subject.policy->contents)
		return 0;

	struct file *file = bprm->file;
	struct inode *inode = file->f_inode;

	if (subject.fault == AA_FAULT_CONTENT)
		return 0;

	struct aa_content *content = content_of(file, inode);

	if (!content || content->known)
		return 0;
	if (bpf_ima_file_hash(file, content->digest, sizeof(content->digest)) == AA_HASH_ALGO_SHA256)
		__sync_fetch_and_or(&content->known, 1);
	return 0;
}
