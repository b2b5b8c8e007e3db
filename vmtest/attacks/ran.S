/* SPDX-License-Identifier: Apache-2.0 */
/* The program that should not run: makes /srv/attack/ran and ends with 0, or with 99 if it cannot. */
	.globl _start
_start:
	lea	path(%rip), %rdi
	mov	$0101, %esi		/* O_CREAT | O_WRONLY */
	mov	$0644, %edx
	mov	$2, %eax		/* open */
	syscall
	xor	%edi, %edi
	test	%rax, %rax
	jns	1f
	mov	$99, %edi
1:	mov	$231, %eax		/* exit_group */
	syscall
path:	.asciz "/srv/attack/ran"
