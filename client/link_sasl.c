/* link_sasl.c -- one SASL exchange over libgsasl: see link_sasl.h. */
#include "config.h"

#include "client/link_sasl.h"

#include <errno.h>
#include <gsasl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/digest.h"
#include "proto/mem.h"

struct sasl {
	Gsasl *lib;
	Gsasl_session *session;
	struct trouble *trouble;
	struct sasl_config config;
	const char *mechanism; /* a constant of ranks[] */
	bool scram;
	char *nonce; /* ours, as sent; owned */
	int step;    /* messages of the server seen */
	bool proved;
	struct sasl_secret used; /* salt and count that the server gave */
};

static const struct {
	const char *name;
	int rank;
	size_t hash_len;
} ranks[] = {
	{ "SCRAM-SHA-256", 3, 32 },
	{ "SCRAM-SHA-1", 2, 20 },
	{ "PLAIN", 1, 0 },
};

int
sasl_rank(const char *mechanism)
{
	for (size_t i = 0; i < sizeof(ranks) / sizeof(ranks[0]); i++)
		if (strcmp(ranks[i].name, mechanism) == 0)
			return ranks[i].rank;
	return 0;
}

static bool
offers(const char *const *offered, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(offered[i], name) == 0)
			return true;
	return false;
}

/* The strongest that is offered, allowed, and can be done with what we have; NULL: none. */
static const char *
choose(const struct sasl_config *config, const char *const *offered, size_t count)
{
	int least = config->least != NULL ? sasl_rank(config->least) : 0;

	for (size_t i = 0; i < sizeof(ranks) / sizeof(ranks[0]); i++) {
		if (ranks[i].rank < least || (ranks[i].rank == 1 && !config->plain))
			continue;
		if (config->password == NULL &&
		    (config->kept == NULL || strcmp(config->kept->mechanism, ranks[i].name) != 0))
			continue;
		if (offers(offered, count, ranks[i].name))
			return ranks[i].name;
	}
	return NULL;
}

/* -- what libgsasl asks ------------------------------------------------------------------------------------ */

static bool
kept_fits(const struct sasl *sasl)
{
	const struct sasl_secret *kept = sasl->config.kept;

	return kept != NULL && strcmp(kept->mechanism, sasl->mechanism) == 0 &&
	    strcmp(kept->salt, sasl->used.salt) == 0 && kept->iterations == sasl->used.iterations;
}

static int
give_password(struct sasl *sasl, Gsasl_session *session)
{
	if (sasl->scram && sasl->used.iterations == 0)
		return GSASL_NO_PASSWORD; /* never before the limits were checked */
	if (sasl->config.password == NULL)
		return GSASL_NO_PASSWORD;
	return gsasl_property_set(session, GSASL_PASSWORD, sasl->config.password);
}

static int
on_property(Gsasl *lib, Gsasl_session *session, Gsasl_property property)
{
	struct sasl *sasl = gsasl_callback_hook_get(lib);

	switch (property) {
	case GSASL_AUTHID:
		return gsasl_property_set(session, GSASL_AUTHID, sasl->config.user);
	case GSASL_PASSWORD:
		return give_password(sasl, session);
	case GSASL_SCRAM_SALTED_PASSWORD:
		if (!kept_fits(sasl))
			return GSASL_NO_CALLBACK;
		return gsasl_property_set(session, GSASL_SCRAM_SALTED_PASSWORD, sasl->config.kept->salted);
	default: /* libgsasl's own list, most of it for other mechanisms */
		return GSASL_NO_CALLBACK;
	}
}

/* -- life -------------------------------------------------------------------------------------------------- */

struct sasl *
sasl_new(const struct sasl_config *config, const char *const *offered, size_t count, struct trouble *trouble)
{
	const char *mechanism = choose(config, offered, count);
	struct sasl *sasl;

	if (mechanism == NULL) {
		if (config->password == NULL && choose(&(struct sasl_config){ .user = "", .password = "",
		    .least = config->least, .plain = config->plain }, offered, count) != NULL)
			trouble_set(trouble, FAULT_SALT, "the relay no longer offers %s",
			    config->kept != NULL ? config->kept->mechanism : "the mechanism used before");
		else
			trouble_set(trouble, FAULT_MECHANISM, "offered: %s%s%s", count > 0 ? offered[0] : "nothing",
			    count > 1 ? ", " : "", count > 1 ? offered[1] : "");
		return NULL;
	}
	sasl = xcalloc(1, sizeof(*sasl));
	sasl->trouble = trouble;
	sasl->config = *config;
	sasl->mechanism = mechanism;
	sasl->scram = strncmp(mechanism, "SCRAM-", 6) == 0;
	if (gsasl_init(&sasl->lib) != GSASL_OK)
		abort();
	gsasl_callback_hook_set(sasl->lib, sasl);
	gsasl_callback_set(sasl->lib, on_property);
	if (gsasl_client_start(sasl->lib, mechanism, &sasl->session) != GSASL_OK) {
		trouble_set(trouble, FAULT_MECHANISM, "%s is not in this machine's libgsasl", mechanism);
		sasl_free(&sasl);
	}
	return sasl;
}

void
sasl_free(struct sasl **sasl)
{
	struct sasl *dead = *sasl;

	if (dead == NULL)
		return;
	*sasl = NULL;
	if (dead->session != NULL)
		gsasl_finish(dead->session);
	gsasl_done(dead->lib);
	free(dead->nonce);
	cleanse(dead, sizeof(*dead));
	free(dead);
}

const char *
sasl_mechanism(const struct sasl *sasl)
{
	return sasl->mechanism;
}

/* -- our own look at what the server says (attacks S1 to S4), before libgsasl sees it ---------------------- */

/* The value of attribute `name` of a SCRAM message, NUL-terminated into `out`. */
static bool
scram_attribute(const char *text, char name, char *out, size_t size)
{
	while (*text != '\0') {
		size_t len = strcspn(text, ",");

		if (text[0] == name && text[1] == '=' && len >= 2) {
			if (len - 2 >= size)
				return false;
			memcpy(out, text + 2, len - 2);
			out[len - 2] = '\0';
			return true;
		}
		text += len + (text[len] == ',');
	}
	return false;
}

static bool
check_count(struct sasl *sasl, const char *text)
{
	char *end;
	unsigned long count;

	errno = 0;
	count = strtoul(text, &end, 10);
	if (*text < '1' || *text > '9' || *end != '\0' || errno != 0 || count > SASL_ITERATIONS_MAX)
		return trouble_set(sasl->trouble, FAULT_PROOF, "iteration count %.20s", text);
	if (count < SASL_ITERATIONS_MIN)
		return trouble_set(sasl->trouble, FAULT_PROOF, "iteration count %lu is below %d", count,
		    SASL_ITERATIONS_MIN);
	sasl->used.iterations = (unsigned)count;
	return true;
}

/* XEP-0474 4.2: the relay's hash of its offer, which its proof will cover, against what came here. */
static bool
check_offer(struct sasl *sasl, const char *text)
{
	enum digest kind = strcmp(sasl->mechanism, "SCRAM-SHA-1") == 0 ? DIGEST_SHA1 : DIGEST_SHA256;
	char got[SASL_TEXT_MAX], want[DIGEST_MAX * 2];
	uint8_t hash[DIGEST_MAX];

	if (sasl->config.offer == NULL || !scram_attribute(text, 'h', got, sizeof(got)))
		return true;
	digest(kind, sasl->config.offer, strlen(sasl->config.offer), hash);
	base64_encode(want, hash, digest_len(kind));
	return strcmp(got, want) == 0 ||
	    trouble_set(sasl->trouble, FAULT_PROOF, "somebody on the way edited what the relay offers");
}

/* RFC 5802 section 7, server-first-message. */
static bool
check_server_first(struct sasl *sasl, const char *text)
{
	char nonce[1024], salt[SASL_TEXT_MAX], count[32];
	uint8_t raw[SASL_TEXT_MAX];
	long salt_len;

	if (text[0] == 'm' || !scram_attribute(text, 'r', nonce, sizeof(nonce)) ||
	    !scram_attribute(text, 's', salt, sizeof(salt)) || !scram_attribute(text, 'i', count, sizeof(count)))
		return trouble_set(sasl->trouble, FAULT_PROOF, "not a SCRAM challenge");
	if (strncmp(nonce, sasl->nonce, strlen(sasl->nonce)) != 0 || strlen(nonce) == strlen(sasl->nonce))
		return trouble_set(sasl->trouble, FAULT_PROOF, "its nonce does not extend ours");
	salt_len = base64_decode(raw, salt, strlen(salt));
	if (salt_len < 1 || salt_len > SASL_SALT_MAX)
		return trouble_set(sasl->trouble, FAULT_PROOF, "salt of %ld bytes", salt_len);
	if (!check_count(sasl, count) || !check_offer(sasl, text))
		return false;
	base64_encode(sasl->used.salt, raw, (size_t)salt_len);
	if (sasl->config.password == NULL && !kept_fits(sasl))
		return trouble_set(sasl->trouble, FAULT_SALT, "other salt or count than before");
	return true;
}

/* -- steps ------------------------------------------------------------------------------------------------- */

static char *
encode(struct sasl *sasl, const char *bytes, size_t len)
{
	char *text = xmalloc(base64_encoded_len(len) + 1);

	base64_encode(text, bytes, len);
	if (sasl->scram && sasl->nonce == NULL) { /* the client-first-message: n,,n=user,r=nonce */
		char *copy = xstrndup(bytes, len), nonce[256];

		if (scram_attribute(copy, 'r', nonce, sizeof(nonce)))
			sasl->nonce = xstrdup(nonce);
		free(copy);
	}
	return text;
}

static char *
feed(struct sasl *sasl, const char *bytes, size_t len)
{
	char *out = NULL, *text = NULL;
	size_t out_len = 0;
	int outcome = gsasl_step(sasl->session, bytes, len, &out, &out_len);

	if (outcome == GSASL_OK || outcome == GSASL_NEEDS_MORE) {
		text = encode(sasl, out != NULL ? out : "", out_len);
		sasl->proved = outcome == GSASL_OK;
	} else {
		trouble_set(sasl->trouble, FAULT_PROOF, "%s", gsasl_strerror(outcome));
	}
	if (out != NULL) {
		cleanse(out, out_len);
		gsasl_free(out);
	}
	return text;
}

char *
sasl_start(struct sasl *sasl)
{
	char *text = feed(sasl, "", 0);

	if (text != NULL && sasl->scram && sasl->nonce == NULL) {
		trouble_set(sasl->trouble, FAULT_PROOF, "no nonce of ours");
		free(text);
		return NULL;
	}
	if (sasl->scram)
		sasl->proved = false;
	return text;
}

/* What a server says after a wrong proof (RFC 5802 section 7, server-error-value). */
static bool
is_refusal(const char *text)
{
	return strncmp(text, "e=", 2) == 0;
}

char *
sasl_step(struct sasl *sasl, const char *challenge)
{
	size_t len = strlen(challenge);
	char *bytes, *answer = NULL;
	long bytes_len;

	if (len > SASL_TEXT_MAX) {
		trouble_set(sasl->trouble, FAULT_PROOF, "challenge of %zu bytes", len);
		return NULL;
	}
	bytes = xcalloc(1, len + 4);
	bytes_len = strcmp(challenge, "=") == 0 ? 0 : base64_decode((uint8_t *)bytes, challenge, len);
	if (bytes_len < 0 || strlen(bytes) != (size_t)bytes_len)
		trouble_set(sasl->trouble, FAULT_PROOF, "challenge is not base64 of text");
	else if (sasl->scram && is_refusal(bytes))
		trouble_set(sasl->trouble, FAULT_PASSWORD, "%.60s", bytes + 2);
	else if (sasl->scram && sasl->step++ == 0 && !check_server_first(sasl, bytes))
		answer = NULL;
	else
		answer = feed(sasl, bytes, (size_t)bytes_len);
	free(bytes);
	return answer;
}

bool
sasl_succeed(struct sasl *sasl, const char *text)
{
	char *rest;

	if (sasl->scram && !sasl->proved && sasl->step == 1 && text[0] != '\0') {
		rest = sasl_step(sasl, text);
		if (rest == NULL)
			return false;
		free(rest);
	}
	if (sasl->scram && !sasl->proved)
		return trouble_set(sasl->trouble, FAULT_PROOF, "it says success without a proof");
	return true;
}

bool
sasl_keep(const struct sasl *sasl, struct sasl_secret *secret_r)
{
	const char *salted;

	if (!sasl->scram || !sasl->proved)
		return false;
	*secret_r = sasl->used;
	snprintf(secret_r->mechanism, sizeof(secret_r->mechanism), "%s", sasl->mechanism);
	salted = gsasl_property_fast(sasl->session, GSASL_SCRAM_SALTED_PASSWORD);
	if (salted == NULL || strlen(salted) >= sizeof(secret_r->salted))
		return false;
	snprintf(secret_r->salted, sizeof(secret_r->salted), "%s", salted);
	return true;
}
