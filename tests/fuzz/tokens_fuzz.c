/* Iterators and NextTokens: no text that we did not sign is taken; whatever is signed opens to its
 * own fields and nothing beyond its bytes is read. */
#include "aws/kinesis/kinesis_token.c" /* NOLINT(bugprone-suspicious-include): signs as it does. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void open_all(struct kinesis *service, struct arena *arena, str text, int kind_wanted)
{
    for (int kind = TOKEN_ITERATOR; kind <= TOKEN_CONSUMERS; kind++) {
        struct token token;
        err e = kinesis__open_token(service, arena, text, (enum token_kind)kind, &token);
        CHECK(e == (kind == kind_wanted ? OK : ERR_INVALID));
        CHECK(e != OK || token.name.len <= STREAM_NAME_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct kinesis service;
    struct arena arena = {0};
    open_all(&service, &arena, str_from(data, (isize)size), 0);
    u8 plain[PLAIN_BYTES_MAX];
    isize bytes = MIN((isize)size, PLAIN_BYTES_MAX - MAC_BYTES);
    memcpy(plain, data, (size_t)bytes);
    sign(&service, plain, bytes, plain + bytes);
    isize characters = base64_encoded_bytes(bytes + MAC_BYTES);
    u8 *text = mem_alloc(characters);
    base64_encode(str_from(plain, bytes + MAC_BYTES), text);
    bool is_ours = bytes >= FIXED_BYTES && plain[0] == TOKEN_VERSION;
    open_all(&service, &arena, str_from(text, characters), is_ours ? plain[1] : 0);
    for (isize cut = 1; cut < 8 && cut < characters; cut++) {
        open_all(&service, &arena, str_from(text, characters - cut), 0);
    }
    mem_free(text);
    arena_deinit(&arena);
    return 0;
}
