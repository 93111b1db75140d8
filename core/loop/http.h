/* HTTP requests on the loop, by libcurl's multi interface.
 *
 * The library is loaded when the first request is made: it brings some thirty others along, which a supervisor
 * that asks nobody should not carry, and ward starts where it is missing.
 *
 * A connection serves one request. One that is kept would make a server wait for it that drains its connections
 * before it stops, which may well be ward's own child. Proxies of the environment are not used. */
#ifndef WARD_LOOP_HTTP_H
#define WARD_LOOP_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "loop/loop.h"

struct ward_http;
struct ward_http_request;

/* What is asked for. All is borrowed until ward_http_start returns. */
struct ward_http_spec {
	const char *url;	    /* http:// or https:// */
	const char *const *headers; /* "Name: value", ended by NULL; NULL: none */
	const char *body;	    /* NULL: GET, else POST */
	size_t body_size;
	const char *
		unix_socket; /* path of the socket to connect to instead of the URL's host, or NULL */
	const char *ca;	     /* file of certificates to trust instead of the system's, or NULL */
	uint64_t timeout_ms; /* of all of it, more than 0 */
	size_t max_size;     /* bytes of an answer's body */
	unsigned redirects;  /* how many are followed */
};

/* How it went; borrowed until the callback returns. */
struct ward_http_result {
	const char *code; /* NULL: there is an answer; else a short word for what failed */
	const char *message;
	int err; /* errno of a connect that failed, or 0 */
	int status;
	const char *head; /* header lines of the last answer, with the status line */
	size_t head_size;
	const char *body;
	size_t body_size;
};

/* Comes once, from the loop. Any request but its own may be cancelled in it, and others be started. */
typedef void ward_http_fn(void *arg, const struct ward_http_result *result);

/* Loads the library. *out is owned. Returns 0 or -errno; -ELIBACC when there is no libcurl that can be used,
 * with a sentence in @why. */
int ward_http_new(struct ward_loop *loop, struct ward_http **out, char *why, size_t why_size);

/* Every request must be over or cancelled. NULL is allowed. */
void ward_http_free(struct ward_http *http);

/* Begins a request; *out is owned until the callback comes. Returns 0 or -errno. */
int ward_http_start(struct ward_http *http, const struct ward_http_spec *spec, ward_http_fn *fn,
		    void *arg, struct ward_http_request **out);

/* Ends it without a callback. NULL is allowed. */
void ward_http_cancel(struct ward_http_request *r);

#endif
