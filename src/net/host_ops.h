/* Host functions of operators whose rows stand in the table of another family, beside their emit functions. */
#ifndef GLIA_NET_HOST_OPS_H
#define GLIA_NET_HOST_OPS_H

#include "net/host.h"

glia_status glia_host_cast(glia_host *h);          /* Cast and CastLike to and from strings */
glia_status glia_host_equal_strings(glia_host *h); /* Equal */
glia_status glia_host_tfidf(glia_host *h);         /* TfIdfVectorizer (host_tfidf.c) */

#endif
