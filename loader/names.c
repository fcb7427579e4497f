// SPDX-License-Identifier: GPL-2.0-only
/* Names of the numbers in bpf/abi.h, generated from its lists. */
#include "names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define RATIO true
#define PLAIN false

static const struct {
	const char *name, *classic;
} classes[CLASSES_MAX] = {
#define X(id, value, label, classic_label) [value] = {label, classic_label},
	CLASS_LIST(X)
#undef X
};

static const struct {
	const char *name;
	bool ratio;
} features[FEATURES_MAX] = {
#define X(id, value, label, unit) [value] = {label, unit},
	FEATURE_LIST(X)
#undef X
};

static const char *const counters[NR_COUNTERS] = {
#define X(id, label) label,
	COUNTER_LIST(X)
#undef X
};

static const char *const modes[NR_MODES] = {
	[MODE_OBSERVE] = "observe",
	[MODE_RECOMMEND] = "recommend",
	[MODE_ACT] = "act",
	[MODE_EMERGENCY] = "emergency",
};

static const char *const clamps[] = {
	[CLAMP_NONE] = "none",
	[CLAMP_NEVER_LOWER] = "never-lower",
	[CLAMP_NEVER_RAISE] = "never-raise",
	[CLAMP_BY_HAND] = "by-hand",
	[CLAMP_LEARNED] = "learned",
};

static int find(const char *const *names, size_t count, const char *name)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (!strcmp(names[i], name))
			return (int)i;
	}
	return -ENOENT;
}

const char *class_name(unsigned int id)
{
	if (id == CLASS_NONE)
		return "none";
	return id < CLASSES_MAX && classes[id].name ? classes[id].name : "?";
}

const char *class_classic_name(unsigned int id)
{
	if (id == CLASS_NONE)
		return "none";
	return id < CLASSES_MAX && classes[id].classic ? classes[id].classic : "?";
}

int class_from_name(const char *name)
{
	int i;

	for (i = 0; i < CLASSES_MAX; i++) {
		if (classes[i].name && !strcmp(classes[i].name, name))
			return i;
	}
	return -ENOENT;
}

const char *feature_name(unsigned int id)
{
	return id < FEATURES_MAX ? features[id].name : NULL;
}

int feature_from_name(const char *name)
{
	int i;

	for (i = 0; i < FEATURES_MAX; i++) {
		if (features[i].name && !strcmp(features[i].name, name))
			return i;
	}
	return -ENOENT;
}

bool feature_is_ratio(unsigned int id)
{
	return id < FEATURES_MAX && features[id].ratio;
}

const char *counter_name(unsigned int id)
{
	return id < NR_COUNTERS ? counters[id] : NULL;
}

const char *mode_name(unsigned int mode)
{
	return mode < NR_MODES ? modes[mode] : "?";
}

int mode_from_name(const char *name)
{
	return find(modes, NR_MODES, name);
}

const char *clamp_name(unsigned int clamp)
{
	return clamp < ARRAY_SIZE(clamps) ? clamps[clamp] : "?";
}

int clamp_from_name(const char *name)
{
	return find(clamps, ARRAY_SIZE(clamps), name);
}

const char *source_names(unsigned int sources, char *buffer, unsigned int size)
{
	static const struct {
		unsigned int bit;
		const char *name;
	} list[] = {
		{SOURCE_BLOCK, "block"},
		{SOURCE_READAHEAD, "readahead"},
		{SOURCE_LATENCY, "latency"},
		{~(unsigned int)SOURCES_ALL, "?"},
	};
	unsigned int i, used = 0;
	int n;

	if (!size)
		return buffer;
	snprintf(buffer, size, "none");
	for (i = 0; i < ARRAY_SIZE(list); i++) {
		if (!(sources & list[i].bit))
			continue;
		n = snprintf(buffer + used, size - used, "%s%s", used ? "," : "", list[i].name);
		if (n < 0 || (unsigned int)n >= size - used)
			break;
		used += (unsigned int)n;
	}
	return buffer;
}
