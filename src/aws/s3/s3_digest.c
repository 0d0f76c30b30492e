/* aws/s3/s3_digest.c: one face for CRCs and OpenSSL's hashes. */
#include "aws/s3/s3_digest.h"

#include "base/hash.h"

#include <openssl/evp.h>

struct kind {
    const char *name, *header, *element;
    isize bytes;
    u64 polynomial; /* Reflected, for combining. */
};

static const struct kind kinds[S3_ALGORITHMS] = {
    [S3_NONE] = {"", "", "", 0, 0},
    [S3_CRC32] = {"CRC32", "x-amz-checksum-crc32", "ChecksumCRC32", 4, 0xEDB88320U},
    [S3_CRC32C] = {"CRC32C", "x-amz-checksum-crc32c", "ChecksumCRC32C", 4, 0x82F63B78U},
    [S3_CRC64NVME] = {"CRC64NVME", "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME", 8,
                      0x9A6C9329AC4BC9B5ULL},
    [S3_SHA1] = {"SHA1", "x-amz-checksum-sha1", "ChecksumSHA1", 20, 0},
    [S3_SHA256] = {"SHA256", "x-amz-checksum-sha256", "ChecksumSHA256", 32, 0},
    [S3_MD5] = {"MD5", "", "", 16, 0},
};

str s3_algorithm_name(enum s3_algorithm algorithm)
{
    return str_of(kinds[algorithm].name);
}

str s3_algorithm_header(enum s3_algorithm algorithm)
{
    return str_of(kinds[algorithm].header);
}

str s3_algorithm_element(enum s3_algorithm algorithm)
{
    return str_of(kinds[algorithm].element);
}

enum s3_algorithm s3_algorithm_parse(str name)
{
    for (int i = S3_CRC32; i < S3_MD5; i++) {
        if (str_eq_nocase(name, str_of(kinds[i].name))) {
            return (enum s3_algorithm)i;
        }
    }
    return S3_NONE;
}

enum s3_algorithm s3_algorithm_parse_header(str header)
{
    for (int i = S3_CRC32; i < S3_MD5; i++) {
        if (str_eq_nocase(header, str_of(kinds[i].header))) {
            return (enum s3_algorithm)i;
        }
    }
    return S3_NONE;
}

isize s3_digest_bytes(enum s3_algorithm algorithm)
{
    return kinds[algorithm].bytes;
}

bool s3_algorithm_is_linear(enum s3_algorithm algorithm)
{
    return kinds[algorithm].polynomial != 0;
}

static const EVP_MD *md_of(enum s3_algorithm algorithm)
{
    switch (algorithm) {
    case S3_SHA1:
        return EVP_sha1();
    case S3_SHA256:
        return EVP_sha256();
    case S3_MD5:
        return EVP_md5();
    default:
        return NULL;
    }
}

void s3_digest_begin(struct s3_digest *digest, enum s3_algorithm algorithm)
{
    *digest = (struct s3_digest){.algorithm = algorithm};
    const EVP_MD *md = md_of(algorithm);
    if (md != NULL) {
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        CHECK(context != NULL);
        CHECK(EVP_DigestInit_ex(context, md, NULL) == 1);
        digest->state = context;
    }
}

void s3_digest_update(struct s3_digest *digest, const void *data, isize bytes)
{
    switch (digest->algorithm) {
    case S3_CRC32:
        digest->crc = crc32_ieee((u32)digest->crc, data, bytes);
        break;
    case S3_CRC32C:
        digest->crc = crc32c((u32)digest->crc, data, bytes);
        break;
    case S3_CRC64NVME:
        digest->crc = crc64_nvme(digest->crc, data, bytes);
        break;
    default:
        if (digest->state != NULL) {
            CHECK(EVP_DigestUpdate(digest->state, data, (size_t)bytes) == 1);
        }
        break;
    }
}

u64 s3_crc_value(enum s3_algorithm algorithm, const u8 *bytes)
{
    u64 crc = 0;
    for (isize i = 0; i < kinds[algorithm].bytes; i++) {
        crc = crc << 8 | bytes[i];
    }
    return crc;
}

void s3_crc_bytes(enum s3_algorithm algorithm, u64 crc, u8 *out)
{
    for (isize i = kinds[algorithm].bytes - 1; i >= 0; i--) {
        out[i] = (u8)crc;
        crc >>= 8;
    }
}

void s3_digest_end(struct s3_digest *digest, u8 out[S3_DIGEST_BYTES_MAX])
{
    if (digest->state != NULL) {
        CHECK(EVP_DigestFinal_ex(digest->state, out, NULL) == 1);
    } else if (s3_algorithm_is_linear(digest->algorithm)) {
        s3_crc_bytes(digest->algorithm, digest->crc, out);
    }
    s3_digest_deinit(digest);
}

void s3_digest_deinit(struct s3_digest *digest)
{
    EVP_MD_CTX_free(digest->state);
    digest->state = NULL;
}

/* --- combining
 * ------------------------------------------------------------------------------------- */

/* a * b modulo the polynomial; reflected: the highest bit is x^0. */
static u64 multiply(u64 a, u64 b, u64 polynomial, u64 one)
{
    u64 product = 0;
    for (u64 bit = one; bit != 0; bit >>= 1) {
        if (a & bit) {
            product ^= b;
        }
        b = b & 1 ? (b >> 1) ^ polynomial : b >> 1;
    }
    return product;
}

u64 s3_crc_combine(enum s3_algorithm algorithm, u64 a, u64 b, u64 b_bytes)
{
    CHECK(s3_algorithm_is_linear(algorithm));
    u64 polynomial = kinds[algorithm].polynomial;
    u64 one = 1ULL << (8 * kinds[algorithm].bytes - 1);
    u64 power = one >> 8; /* x^8: one zero byte. */
    u64 shift = one;
    for (; b_bytes > 0; b_bytes >>= 1) {
        if (b_bytes & 1) {
            shift = multiply(shift, power, polynomial, one);
        }
        power = multiply(power, power, polynomial, one);
    }
    return multiply(shift, a, polynomial, one) ^ b;
}
