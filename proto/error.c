/* error.c -- the standards' errors as tables: see error.h. */
#include "config.h"

#include "proto/error.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

/* RFC 6120 4.9.3 */
static const char *const stream_names[STREAM_ERRORS] = {
	[STREAM_BAD_FORMAT] = "bad-format",
	[STREAM_BAD_NAMESPACE_PREFIX] = "bad-namespace-prefix",
	[STREAM_CONFLICT] = "conflict",
	[STREAM_CONNECTION_TIMEOUT] = "connection-timeout",
	[STREAM_HOST_GONE] = "host-gone",
	[STREAM_HOST_UNKNOWN] = "host-unknown",
	[STREAM_IMPROPER_ADDRESSING] = "improper-addressing",
	[STREAM_INTERNAL_SERVER_ERROR] = "internal-server-error",
	[STREAM_INVALID_FROM] = "invalid-from",
	[STREAM_INVALID_NAMESPACE] = "invalid-namespace",
	[STREAM_INVALID_XML] = "invalid-xml",
	[STREAM_NOT_AUTHORIZED] = "not-authorized",
	[STREAM_NOT_WELL_FORMED] = "not-well-formed",
	[STREAM_POLICY_VIOLATION] = "policy-violation",
	[STREAM_REMOTE_CONNECTION_FAILED] = "remote-connection-failed",
	[STREAM_RESET] = "reset",
	[STREAM_RESOURCE_CONSTRAINT] = "resource-constraint",
	[STREAM_RESTRICTED_XML] = "restricted-xml",
	[STREAM_SEE_OTHER_HOST] = "see-other-host",
	[STREAM_SYSTEM_SHUTDOWN] = "system-shutdown",
	[STREAM_UNDEFINED_CONDITION] = "undefined-condition",
	[STREAM_UNSUPPORTED_ENCODING] = "unsupported-encoding",
	[STREAM_UNSUPPORTED_FEATURE] = "unsupported-feature",
	[STREAM_UNSUPPORTED_STANZA_TYPE] = "unsupported-stanza-type",
	[STREAM_UNSUPPORTED_VERSION] = "unsupported-version",
};

/* RFC 6120 8.3.3: each condition with the type it SHOULD have. */
static const struct {
	const char *name;
	const char *type;
} stanza_errors[STANZA_ERRORS] = {
	[STANZA_BAD_REQUEST] = { "bad-request", "modify" },
	[STANZA_CONFLICT] = { "conflict", "cancel" },
	[STANZA_FEATURE_NOT_IMPLEMENTED] = { "feature-not-implemented", "cancel" },
	[STANZA_FORBIDDEN] = { "forbidden", "auth" },
	[STANZA_GONE] = { "gone", "cancel" },
	[STANZA_INTERNAL_SERVER_ERROR] = { "internal-server-error", "cancel" },
	[STANZA_ITEM_NOT_FOUND] = { "item-not-found", "cancel" },
	[STANZA_JID_MALFORMED] = { "jid-malformed", "modify" },
	[STANZA_NOT_ACCEPTABLE] = { "not-acceptable", "modify" },
	[STANZA_NOT_ALLOWED] = { "not-allowed", "cancel" },
	[STANZA_NOT_AUTHORIZED] = { "not-authorized", "auth" },
	[STANZA_POLICY_VIOLATION] = { "policy-violation", "modify" },
	[STANZA_RECIPIENT_UNAVAILABLE] = { "recipient-unavailable", "wait" },
	[STANZA_REDIRECT] = { "redirect", "modify" },
	[STANZA_REGISTRATION_REQUIRED] = { "registration-required", "auth" },
	[STANZA_REMOTE_SERVER_NOT_FOUND] = { "remote-server-not-found", "cancel" },
	[STANZA_REMOTE_SERVER_TIMEOUT] = { "remote-server-timeout", "wait" },
	[STANZA_RESOURCE_CONSTRAINT] = { "resource-constraint", "wait" },
	[STANZA_SERVICE_UNAVAILABLE] = { "service-unavailable", "cancel" },
	[STANZA_SUBSCRIPTION_REQUIRED] = { "subscription-required", "auth" },
	[STANZA_UNDEFINED_CONDITION] = { "undefined-condition", "cancel" },
	[STANZA_UNEXPECTED_REQUEST] = { "unexpected-request", "wait" },
};

/* RFC 6120 6.5 */
static const char *const sasl_names[SASL_ERRORS] = {
	[SASL_ABORTED] = "aborted",
	[SASL_ACCOUNT_DISABLED] = "account-disabled",
	[SASL_CREDENTIALS_EXPIRED] = "credentials-expired",
	[SASL_ENCRYPTION_REQUIRED] = "encryption-required",
	[SASL_INCORRECT_ENCODING] = "incorrect-encoding",
	[SASL_INVALID_AUTHZID] = "invalid-authzid",
	[SASL_INVALID_MECHANISM] = "invalid-mechanism",
	[SASL_MALFORMED_REQUEST] = "malformed-request",
	[SASL_MECHANISM_TOO_WEAK] = "mechanism-too-weak",
	[SASL_NOT_AUTHORIZED] = "not-authorized",
	[SASL_TEMPORARY_AUTH_FAILURE] = "temporary-auth-failure",
};

const char *
stream_error_name(enum stream_error error)
{
	assert(error > STREAM_OK && error < STREAM_ERRORS);
	return stream_names[error];
}

const char *
stanza_error_name(enum stanza_error error)
{
	assert(error > STANZA_OK && error < STANZA_ERRORS);
	return stanza_errors[error].name;
}

const char *
stanza_error_type(enum stanza_error error)
{
	assert(error > STANZA_OK && error < STANZA_ERRORS);
	return stanza_errors[error].type;
}

const char *
sasl_error_name(enum sasl_error error)
{
	assert(error > SASL_OK && error < SASL_ERRORS);
	return sasl_names[error];
}

enum stream_error
stream_error_by_name(const char *name)
{
	for (int i = STREAM_OK + 1; name != NULL && i < STREAM_ERRORS; i++)
		if (strcmp(stream_names[i], name) == 0)
			return (enum stream_error)i;
	return STREAM_UNDEFINED_CONDITION;
}

enum stanza_error
stanza_error_by_name(const char *name)
{
	for (int i = STANZA_OK + 1; name != NULL && i < STANZA_ERRORS; i++)
		if (strcmp(stanza_errors[i].name, name) == 0)
			return (enum stanza_error)i;
	return STANZA_UNDEFINED_CONDITION;
}
