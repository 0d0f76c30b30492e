/*
 * codec/base64.h: RFC 4648 base64 with padding, strict: no blanks, no URL alphabet,
 * no missing padding, no set bits behind the end. AVX2 where the CPU has it.
 */
#ifndef CODEC_BASE64_H
#define CODEC_BASE64_H

#include "base/buf.h"

/* Bytes that the text decodes to, from its length and padding alone; -1 when that cannot be base64.
 */
isize base64_decoded_bytes(str text);
/* Writes exactly base64_decoded_bytes(text) bytes; ERR_SYNTAX leaves `out` undefined. */
MUST_USE err base64_decode(str text, u8 *out, isize *bytes_out);
isize base64_encoded_bytes(isize bytes);
/* Writes base64_encoded_bytes(bytes.len) characters. */
void base64_encode(str bytes, u8 *out);
void base64_append(struct buf *out, str bytes);

#endif
