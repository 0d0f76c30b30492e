/* net/versions.c */
#include "net/versions.h"

#include <curl/curl.h>
#include <nghttp2/nghttp2.h>
#include <openssl/crypto.h>
#include <uv.h>
#include <zlib.h>

int net_libraries(struct net_library *out)
{
    int count = 0;
    out[count++] = (struct net_library){"libuv", uv_version_string()};
    out[count++] = (struct net_library){"nghttp2", nghttp2_version(0)->version_str};
    out[count++] = (struct net_library){"libcurl", curl_version_info(CURLVERSION_NOW)->version};
    out[count++] = (struct net_library){"openssl", OpenSSL_version(OPENSSL_VERSION)};
    out[count++] = (struct net_library){"zlib", zlibVersion()};
    return count;
}
