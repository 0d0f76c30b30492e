/* net/versions.h: the libraries that this process runs with, for `leat version --verbose`. */
#ifndef NET_VERSIONS_H
#define NET_VERSIONS_H

enum { NET_LIBRARIES_MAX = 8 };

struct net_library {
    const char *name, *version; /* Static. */
};
/* Fills out[NET_LIBRARIES_MAX]; returns the count. */
int net_libraries(struct net_library *out);

#endif
