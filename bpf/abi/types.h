/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Fixed-width integers for both sides of the seam: bindgen sees <stdint.h>, the BPF programs have their own. */
#ifndef AA_ABI_TYPES_H
#define AA_ABI_TYPES_H

#ifndef __bpf__
#include <stdint.h>
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;
#endif

#endif
