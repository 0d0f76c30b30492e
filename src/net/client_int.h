/* net/client_int.h: shared by what uses libcurl. */
#ifndef NET_CLIENT_INT_H
#define NET_CLIENT_INT_H

/* Initialises libcurl at the first call. Any thread. */
void net__curl_start(void);

#endif
