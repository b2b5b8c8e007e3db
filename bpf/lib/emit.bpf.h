/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Records: filled in scratch memory, sent by their exact size. What cannot be sent is counted and leaves a hole. */
#ifndef AA_EMIT_BPF_H
#define AA_EMIT_BPF_H

#include "path.bpf.h"
#include "record.bpf.h"
#include "subject.bpf.h"
#include "verdict.bpf.h"

/* Copies `text` behind what is in the record's data; returns the new end, or the old one if it could not be read. */
static __always_inline u32 append_text(struct aa_scratch *s, u32 end, struct aa_text *text, u32 *bytes)
{
	u32 length = text->length;

	*bytes = 0;
	if (length == 0 || length > AA_PATH_BYTES - 1 || end > AA_EVENT_DATA_BYTES - AA_PATH_BYTES)
		return end;
	if (bpf_probe_read_kernel(&s->data[end & (16384 - 1)], length & (AA_PATH_BYTES - 1),
				  &text->bytes[text->start & (AA_PATH_BYTES - 1)]))
		return end;
	*bytes = length;
	return end + length;
}

/* The program the task runs, into s->executable. */
static __always_inline void read_executable(struct aa_scratch *s)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct file *exe = BPF_CORE_READ(task, mm, exe_file);

	s->executable.length = 0;
	if (!exe)
		return;
	read_path(&s->executable, (u64)BPF_CORE_READ(exe, f_path.dentry), (u64)BPF_CORE_READ(exe, f_path.mnt));
}

/* The names of what was judged from its directory's state. */
static __always_inline void name_objects(struct aa_scratch *s)
{
	if (!s->object.length && s->object.dentry)
		read_path(&s->object, s->object.dentry, s->object.vfsmount);
	if (!s->second.length && s->second.dentry)
		read_path(&s->second, s->second.dentry, s->second.vfsmount);
}

/*
 * Sends s->event with the texts. Returns 0, or -1 if the ring was full: the loss is counted, and the sequence number
 * is spent, so that the reader sees the hole.
 */
__noinline int send_event(struct aa_scratch *s, u32 ring)
{
	if (!s)
		return -1;

	struct aa_event *event = &s->event;
	u32 end = 0;

	read_executable(s);
	name_objects(s);
	end = append_text(s, end, &s->executable, &event->executable_bytes);
	end = append_text(s, end, &s->object, &event->object_bytes);
	end = append_text(s, end, &s->second, &event->second_bytes);
	if (end > AA_EVENT_DATA_BYTES)
		return -1;

	u32 size = sizeof(struct aa_event) + end;

	event->head.size = size;
	event->head.sequence = next_sequence(ring);
	/* event and data are adjacent in the scratch: one record. */
	if (size > sizeof(struct aa_event) + AA_EVENT_DATA_BYTES)
		return -1;
	if (ring == AA_RING_DECISIONS) {
		if (bpf_ringbuf_output(&decisions, event, size, 0)) {
			count_loss(AA_LOSS_DECISIONS_RING);
			return -1;
		}
	} else if (bpf_ringbuf_output(&activity, event, size, 0)) {
		count_loss(AA_LOSS_ACTIVITY_RING);
		return -1;
	}
	return 0;
}

static __always_inline int refuses(u32 effect)
{
	return effect == AA_EFFECT_DENIED || effect == AA_EFFECT_SUSPENDED || effect == AA_EFFECT_KILLED;
}

static __always_inline void fill_event(struct aa_scratch *s, const struct subject *subject, u32 action, u32 decision,
				       u32 reason, u32 effect)
{
	struct aa_event *event = &s->event;

	fill_head(&event->head, AA_EVENT_DECISION, subject->agent, subject->session);
	event->generation = subject->policy ? subject->policy->generation : 0;
	event->decision = decision;
	event->action = action;
	event->reason = reason;
	event->effect = effect;
	event->errno_returned = refuses(effect) ? AA_EPERM : 0;
}

static __always_inline void reset_text(struct aa_text *text)
{
	text->length = 0;
	text->last = AA_NO_NAME;
	text->flags = 0;
	text->dentry = 0;
}

/* A fresh record: what earlier users of the scratch left is gone. Of the stack only as many frames count as it says. */
static __always_inline void reset_event(struct aa_scratch *s)
{
	__builtin_memset(&s->event, 0, offsetof(struct aa_event, stack));
	reset_text(&s->object);
	reset_text(&s->second);
	s->exact[0] = 0;
	s->exact[1] = 0;
	s->carry = 0;
	s->carry_accepts = 0;
	s->carry_gives = 0;
}

#endif
