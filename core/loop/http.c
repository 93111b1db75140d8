#include "loop/http.h"

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>

#include "base/buf.h"

#define LIBRARY	 "libcurl.so.4"
#define MAX_HEAD (64 * 1024)

/* What is used of the library, by its names without curl_. */
#define FUNCTIONS(X)           \
	X(global_init)         \
	X(easy_init)           \
	X(easy_setopt)         \
	X(easy_getinfo)        \
	X(easy_strerror)       \
	X(easy_cleanup)        \
	X(slist_append)        \
	X(slist_free_all)      \
	X(multi_init)          \
	X(multi_setopt)        \
	X(multi_add_handle)    \
	X(multi_remove_handle) \
	X(multi_assign)        \
	X(multi_socket_action) \
	X(multi_info_read)     \
	X(multi_cleanup)

struct api {
#define X(name) __typeof__(curl_##name) *name;
	FUNCTIONS(X)
#undef X
};

struct ward_http {
	struct ward_loop *loop;
	struct ward_timer *timer;
	struct api curl;
	CURLM *multi;
};

/* A descriptor that the library waits for. */
struct sock {
	struct ward_watch watch;
	struct ward_http *http;
};

struct ward_http_request {
	struct ward_http *http;
	CURL *easy;
	bool added;
	struct curl_slist *headers;
	struct ward_buf head, body;
	size_t max_size;
	bool too_large, no_memory;
	char error[CURL_ERROR_SIZE];
	ward_http_fn *fn;
	void *arg;
};

/* The library asks for names in threads of its own. They must take no signal, which are the loop's. */
static void
signals_off(sigset_t *before)
{
	sigset_t all;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, before);
}

static void
signals_on(const sigset_t *before)
{
	(void)pthread_sigmask(SIG_SETMASK, before, NULL);
}

static void
request_free(struct ward_http_request *r)
{
	const struct api *curl = &r->http->curl;

	if (r->added)
		(void)curl->multi_remove_handle(r->http->multi, r->easy);
	if (r->easy)
		curl->easy_cleanup(r->easy);
	curl->slist_free_all(r->headers);
	ward_buf_free(&r->head);
	ward_buf_free(&r->body);
	free(r);
}

/* Ends ------------------------------------------------------------------------------------------------- */

static const char *
code_of(const struct ward_http_request *r, CURLcode result)
{
	if (r->too_large || result == CURLE_FILESIZE_EXCEEDED)
		return "too_large";
	switch (result) {
	case CURLE_OPERATION_TIMEDOUT:
		return "timeout";
	case CURLE_COULDNT_CONNECT:
		return "connect";
	case CURLE_COULDNT_RESOLVE_HOST:
		return "resolve";
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return "url";
	case CURLE_TOO_MANY_REDIRECTS:
		return "redirects";
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		return "tls";
	default:
		return "http";
	}
}

static void
finish(struct ward_http_request *r, CURLcode result)
{
	const struct api *curl = &r->http->curl;
	struct ward_http_result out = { .head_size = r->head.n, .body_size = r->body.n };
	long status = 0, err = 0;

	out.head = r->head.n ? r->head.bytes + r->head.at : "";
	out.body = r->body.n ? r->body.bytes + r->body.at : "";
	(void)curl->easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl->easy_getinfo(r->easy, CURLINFO_OS_ERRNO, &err);
	out.status = (int)status;
	if (result != CURLE_OK) {
		out.code = code_of(r, result);
		out.err = result == CURLE_COULDNT_CONNECT ? (int)err : 0;
		out.message = *r->error ? r->error : curl->easy_strerror(result);
		if (!strcmp(out.code, "too_large"))
			out.message = "the answer is too large";
		else if (r->no_memory)
			out.message = "not enough memory for the answer";
	}
	r->fn(r->arg, &out);
	request_free(r);
}

/* What is over is told; any callback may begin and cancel others. */
static void
tell(struct ward_http *http)
{
	const struct api *curl = &http->curl;
	const CURLMsg *message;
	int left;

	while ((message = curl->multi_info_read(http->multi, &left))) {
		CURLcode result = message->data.result;
		char *r = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		(void)curl->easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &r);
		finish((struct ward_http_request *)(void *)r, result);
	}
}

static void
act(struct ward_http *http, curl_socket_t fd, int events)
{
	sigset_t before;
	int running;

	signals_off(&before);
	(void)http->curl.multi_socket_action(http->multi, fd, events, &running);
	signals_on(&before);
	tell(http);
}

/* The library's wishes ----------------------------------------------------------------------------------- */

static void
on_ready(struct ward_watch *w, uint32_t events)
{
	struct ward_http *http = ward_container_of(w, struct sock, watch)->http;
	int what = 0;

	if (events & (EPOLLIN | EPOLLHUP))
		what |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		what |= CURL_CSELECT_OUT;
	if (events & EPOLLERR)
		what |= CURL_CSELECT_ERR;
	act(http, w->fd, what);
}

/* A descriptor that cannot be watched is no error here: its request meets its timeout. */
static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket)
{
	struct ward_http *http = arg;
	struct sock *s = socket;
	uint32_t events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s)
			ward_watch_del(http->loop, &s->watch);
		free(s);
		return 0;
	}
	if (what & CURL_POLL_IN)
		events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		events |= EPOLLOUT;
	if (s) {
		(void)ward_watch_mod(http->loop, &s->watch, events);
		return 0;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return 0;
	s->http = http;
	if (ward_watch_add(http->loop, &s->watch, fd, events, on_ready) < 0) {
		free(s);
		return 0;
	}
	(void)http->curl.multi_assign(http->multi, fd, s);
	return 0;
}

static void
on_time(void *arg)
{
	act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int
on_timer(CURLM *multi, long ms, void *arg)
{
	const struct ward_http *http = arg;

	(void)multi;
	if (ms < 0)
		ward_timer_disarm(http->timer);
	else
		ward_timer_arm(http->timer, ward_now_ns() + (uint64_t)ms * 1000000);
	return 0;
}

static size_t
keep(struct ward_http_request *r, struct ward_buf *b, const char *bytes, size_t n, size_t limit)
{
	r->too_large = n > limit - b->n;
	if (r->too_large)
		return 0;
	r->no_memory = ward_buf_add(b, bytes, n) < 0;
	return r->no_memory ? 0 : n;
}

static size_t
on_head(char *bytes, size_t one, size_t n, void *arg)
{
	struct ward_http_request *r = arg;

	(void)one;
	/* Of several answers (100 Continue, redirects) the last one counts. */
	if (n >= 5 && !strncasecmp(bytes, "HTTP/", 5))
		ward_buf_take(&r->head, r->head.n);
	return keep(r, &r->head, bytes, n, MAX_HEAD);
}

static size_t
on_body(char *bytes, size_t one, size_t n, void *arg)
{
	struct ward_http_request *r = arg;

	(void)one;
	return keep(r, &r->body, bytes, n, r->max_size);
}

/* Requests ------------------------------------------------------------------------------------------------ */

static int
add_header(struct ward_http_request *r, const char *header)
{
	struct curl_slist *longer = r->http->curl.slist_append(r->headers, header);

	if (!longer)
		return -ENOMEM;
	r->headers = longer;
	return 0;
}

/* Sets an option of `r`, unless an earlier one has failed. */
#define SET(option, value)                                                                 \
	do {                                                                               \
		if (c == CURLE_OK)                                                         \
			c = r->http->curl.easy_setopt(r->easy, CURLOPT_##option, (value)); \
	} while (0)

static CURLcode
describe(struct ward_http_request *r, const struct ward_http_spec *spec)
{
	CURLcode c = CURLE_OK;

	SET(URL, spec->url);
	SET(PROTOCOLS_STR, "http,https");
	SET(REDIR_PROTOCOLS_STR, "http,https");
	SET(FOLLOWLOCATION, spec->redirects > 0 ? 1L : 0L);
	SET(MAXREDIRS, (long)spec->redirects);
	SET(HTTPHEADER, r->headers);
	SET(USERAGENT, "ward/" WARD_VERSION);
	SET(PROXY, "");
	SET(TIMEOUT_MS, (long)spec->timeout_ms);
	SET(MAXFILESIZE_LARGE, (curl_off_t)spec->max_size);
	if (spec->unix_socket)
		SET(UNIX_SOCKET_PATH, spec->unix_socket);
	if (spec->ca)
		SET(CAINFO, spec->ca);
	if (spec->body) {
		SET(POSTFIELDSIZE_LARGE, (curl_off_t)spec->body_size);
		SET(COPYPOSTFIELDS, spec->body);
	}
	return c;
}

static CURLcode
connect_to_us(struct ward_http_request *r)
{
	CURLcode c = CURLE_OK;

	SET(PRIVATE, r);
	SET(ERRORBUFFER, r->error);
	SET(HEADERFUNCTION, on_head);
	SET(HEADERDATA, r);
	SET(WRITEFUNCTION, on_body);
	SET(WRITEDATA, r);
	SET(NOSIGNAL, 1L);
	SET(FORBID_REUSE, 1L);
	return c;
}

static int
add(struct ward_http_request *r)
{
	sigset_t before;
	CURLMcode m;

	signals_off(&before);
	m = r->http->curl.multi_add_handle(r->http->multi, r->easy);
	signals_on(&before);
	r->added = m == CURLM_OK;
	return r->added ? 0 : -ENOMEM;
}

int
ward_http_start(struct ward_http *http, const struct ward_http_spec *spec, ward_http_fn *fn,
		void *arg, struct ward_http_request **out)
{
	struct ward_http_request *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->http = http;
	r->fn = fn;
	r->arg = arg;
	r->max_size = spec->max_size;
	r->easy = http->curl.easy_init();
	/* Without "100 Continue", which few servers send, before a body. */
	err = r->easy ? add_header(r, "Expect:") : -ENOMEM;
	for (size_t i = 0; err == 0 && spec->headers && spec->headers[i]; i++)
		err = add_header(r, spec->headers[i]);
	if (err == 0 && (describe(r, spec) != CURLE_OK || connect_to_us(r) != CURLE_OK))
		err = -EINVAL;
	if (err == 0)
		err = add(r);
	if (err < 0) {
		request_free(r);
		return err;
	}
	*out = r;
	return 0;
}

void
ward_http_cancel(struct ward_http_request *r)
{
	if (r)
		request_free(r);
}

/* The library ---------------------------------------------------------------------------------------------- */

static int
load(struct api *curl, char *why, size_t why_size)
{
	/* It stays: what it registered for the end of the process lies in it. */
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

	if (!library) {
		(void)snprintf(why, why_size, "%s", dlerror());
		return -ELIBACC;
	}
#define X(name)                                                                        \
	curl->name = (__typeof__(curl->name))(uintptr_t)dlsym(library, "curl_" #name); \
	if (!curl->name) {                                                             \
		(void)snprintf(why, why_size, "%s has no curl_%s", LIBRARY, #name);    \
		return -ELIBACC;                                                       \
	}
	FUNCTIONS(X)
#undef X
	if (curl->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		(void)snprintf(why, why_size, "%s cannot be set up", LIBRARY);
		return -ELIBACC;
	}
	return 0;
}

int
ward_http_new(struct ward_loop *loop, struct ward_http **out, char *why, size_t why_size)
{
	struct ward_http *http = calloc(1, sizeof(*http));
	int r;

	if (!http)
		return -ENOMEM;
	http->loop = loop;
	r = load(&http->curl, why, why_size);
	if (r < 0)
		goto fail;
	r = -ENOMEM;
	http->timer = ward_timer_new(loop, on_time, http);
	http->multi = http->curl.multi_init();
	if (!http->timer || !http->multi)
		goto fail;
	(void)http->curl.multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	(void)http->curl.multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	(void)http->curl.multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	(void)http->curl.multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	*out = http;
	return 0;
fail:
	ward_http_free(http);
	return r;
}

void
ward_http_free(struct ward_http *http)
{
	if (!http)
		return;
	if (http->multi)
		(void)http->curl.multi_cleanup(http->multi);
	ward_timer_free(http->timer);
	free(http);
}
