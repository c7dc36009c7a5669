/* stamp.c -- dates and times of XEP-0082 1.1.1: see stamp.h. Proleptic Gregorian calendar, reckoned by hand:
 * the C library's functions know time zones and locales, which have no place here. */
#include "config.h"

#include "proto/stamp.h"

#include <stddef.h>
#include <stdio.h>

#include "proto/ns.h"
#include "proto/xml.h"

enum { DAY_MS = 86400000, YEARS_BEFORE_1970_DAYS = 719468 /* from 0000-03-01 */ };

#define FIRST_MS (-62167219200000) /* 0000-01-01T00:00:00.000Z */
#define LAST_MS  253402300799999   /* 9999-12-31T23:59:59.999Z */

/* Days since 1970-01-01. Years are counted from March, so that the leap day is a year's last. */
static int64_t
days_of(int64_t year, int64_t month, int64_t day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400; /* of 400 years, 146097 days */
	int64_t of_era = year - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - YEARS_BEFORE_1970_DAYS;
}

static void
date_of(int64_t days, int *year_r, int *month_r, int *day_r)
{
	days += YEARS_BEFORE_1970_DAYS;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t of_era = days - era * 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * of_year + 2) / 153; /* from March */

	*day_r = (int)(of_year - (153 * month + 2) / 5 + 1);
	*month_r = (int)(month < 10 ? month + 3 : month - 9);
	*year_r = (int)(year + era * 400 + (*month_r <= 2));
}

void
stamp_format(char out[static STAMP_LEN + 1], int64_t ms)
{
	int year, month, day;

	ms = ms < FIRST_MS ? FIRST_MS : ms > LAST_MS ? LAST_MS : ms;
	int64_t days = ms / DAY_MS - (ms % DAY_MS < 0);
	unsigned of_day = (unsigned)(ms - days * DAY_MS);
	char text[64];

	date_of(days, &year, &month, &day);
	(void)snprintf(text, sizeof(text), "%04d-%02d-%02dT%02u:%02u:%02u.%03uZ", year, month, day,
		       of_day / 3600000, of_day / 60000 % 60, of_day / 1000 % 60, of_day % 1000);
	for (size_t i = 0; i <= STAMP_LEN; i++)
		out[i] = text[i];
}

/* Exactly `count` digits, at most `most`; moves on. -1: not so. */
static int
number(const char **text, int count, int most)
{
	int value = 0;

	for (; count > 0; count--, (*text)++) {
		if (**text < '0' || **text > '9')
			return -1;
		value = 10 * value + (**text - '0');
	}
	return value <= most ? value : -1;
}

static bool
skip(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

static bool
parse_date(const char **text, int64_t *days_r)
{
	static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int year, month, day;

	if ((year = number(text, 4, 9999)) < 0 || !skip(text, '-') || (month = number(text, 2, 12)) < 1 ||
	    !skip(text, '-') || (day = number(text, 2, 31)) < 1)
		return false;
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	*days_r = days_of(year, month, day);
	return day <= lengths[month - 1] + (month == 2 && leap);
}

/* Milliseconds of the day. A leap second (60) counts as the next minute's first. Digits beyond milliseconds
 * are cut. */
static bool
parse_time(const char **text, int64_t *ms_r)
{
	int hour, minute, second, unit = 100;

	if ((hour = number(text, 2, 23)) < 0 || !skip(text, ':') || (minute = number(text, 2, 59)) < 0 ||
	    !skip(text, ':') || (second = number(text, 2, 60)) < 0)
		return false;
	*ms_r = ((int64_t)hour * 60 + minute) * 60000 + (int64_t)second * 1000;
	if (!skip(text, '.'))
		return true;
	if (**text < '0' || **text > '9')
		return false;
	for (; **text >= '0' && **text <= '9'; (*text)++, unit /= 10)
		*ms_r += (int64_t)(**text - '0') * unit;
	return true;
}

/* Z or +hh:mm or -hh:mm, in milliseconds east. */
static bool
parse_zone(const char **text, int64_t *ms_r)
{
	int hour, minute;
	bool west = **text == '-';

	*ms_r = 0;
	if (skip(text, 'Z'))
		return true;
	if (!skip(text, west ? '-' : '+') || (hour = number(text, 2, 23)) < 0 || !skip(text, ':') ||
	    (minute = number(text, 2, 59)) < 0)
		return false;
	*ms_r = ((int64_t)hour * 60 + minute) * (west ? -60000 : 60000);
	return true;
}

bool
stamp_parse(const char *text, int64_t *ms_r)
{
	int64_t days, of_day, east;

	if (text == NULL || !parse_date(&text, &days) || !skip(&text, 'T') || !parse_time(&text, &of_day) ||
	    !parse_zone(&text, &east) || *text != '\0')
		return false;
	*ms_r = days * DAY_MS + of_day - east;
	return true;
}

struct xml *
stamp_delay(struct arena *arena, struct xml *stanza, const char *from, int64_t ms)
{
	char stamp[STAMP_LEN + 1];
	struct xml *delay = xml_add(arena, stanza, "delay", NS_DELAY);

	stamp_format(stamp, ms);
	xml_set(arena, delay, "from", from);
	xml_set(arena, delay, "stamp", stamp);
	return delay;
}
