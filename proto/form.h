/*
 * form.h -- data forms (XEP-0004 2.13.1) with FORM_TYPE (XEP-0068), as much as pubsub, disco and registration use.
 */
#ifndef PROTO_FORM_H
#define PROTO_FORM_H

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct xml;

/* Build. `type` is form, submit, result or cancel. */
struct xml *form_new(struct arena *arena, struct xml *parent, const char *type, const char *form_type);
struct xml *form_field(struct arena *arena, struct xml *form, const char *var, const char *type, const char *label,
    const char *value); /* NULL type, label or value: left out */
void form_value(struct arena *arena, struct xml *field, const char *value);   /* one more value */
void form_option(struct arena *arena, struct xml *field, const char *value); /* one more option */

/* Read. */
struct xml *form_find(const struct xml *parent, const char *form_type); /* the x child with this FORM_TYPE, or NULL */
const char *form_type(struct arena *arena, const struct xml *form);    /* FORM_TYPE or NULL */
const char *form_get(struct arena *arena, const struct xml *form, const char *var); /* first value or NULL */
const struct xml *form_get_field(const struct xml *form, const char *var);
/* XEP-0004 boolean: "1" "true" "0" "false"; -1 otherwise. */
int form_bool(const char *value);

#endif
