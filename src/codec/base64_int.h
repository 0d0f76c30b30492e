/* codec/base64_int.h: between base64.c and base64_wide.c. */
#ifndef CODEC_BASE64_INT_H
#define CODEC_BASE64_INT_H

#include "base/base.h"

enum base64__width { BASE64_PLAIN, BASE64_AVX2, BASE64_VBMI };

/* For tests: nothing wider than that, of what the CPU has. No other thread may be at work. */
void base64__use(enum base64__width most);

/* What vectors take of a text (characters, a multiple of 4) or of bytes (a multiple of 3) from the
 * front; how much that was. Decoding stops at what is not in the alphabet. Nothing is written
 * behind what the whole comes to. */
isize base64__decode_wide(const u8 *in, isize len, u8 *out);
isize base64__encode_wide(const u8 *in, isize len, u8 *out);

#endif
