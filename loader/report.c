// SPDX-License-Identifier: GPL-2.0-only
#include "report.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apply.h"
#include "markup.h"
#include "names.h"

/* The picture, in units of its viewBox: a CSS pixel each where there is room. */
enum {
	WIDTH = 1000,
	LEFT = 66,
	RIGHT = 984,
	ROW = 15, /* of signs above the first curve */
	ROWS_MAX = 3,
	TITLE = 20, /* above each curve */
	GAP = 14,   /* below it */
	STRIP = 20,
	AXIS = 34,
	TICK = 19,        /* least distance of two ticks */
	POINTS_MAX = 700, /* more samples than this are joined where they are alike */
};

#define SECOND_NS 1000000000ULL
#define IDLE_NS (2 * SECOND_NS) /* between two samples: nothing was read */

/* What was read in a span. */
struct span {
	__u64 from_ns, to_ns;
	__u64 device_bytes, cache_bytes, used_bytes, calls;
	double margin;
	unsigned int ra_kb;
	__u8 class_id;
};

/* One device's part of the records. */
struct device {
	const char *label, *name;
	const struct history_record **records;
	size_t count;
	struct span *spans;
	size_t nr_spans;
	__u64 bytes, device_bytes;
	unsigned int changes, refusals, stood_back, reverts;
	unsigned int last_kb, original_kb;
};

/* When nobody recorded: between an end and the next start. */
struct pause {
	__u64 from_ns, to_ns;
};

struct page {
	FILE *out;
	const struct report *report;
	struct device *devices;
	size_t nr_devices;
	struct pause *pauses;
	size_t nr_pauses;
};

/* --- text ------------------------------------------------------------------------------------- */

/* By format, into one of eight buffers in turn. */
__attribute__((format(printf, 1, 2))) static const char *text(const char *format, ...)
{
	static char texts[8][96];
	static unsigned int next;
	char *t = texts[next++ % 8];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(t, sizeof(texts[0]), format, arguments);
	va_end(arguments);
	return t;
}

static const char *time_text(__u64 time_ns, const char *format)
{
	time_t seconds = (time_t)(time_ns / SECOND_NS);
	char buffer[64];
	struct tm local;

	if (!localtime_r(&seconds, &local) || !strftime(buffer, sizeof(buffer), format, &local))
		return "?";
	return text("%s", buffer);
}

static const char *bytes_text(double bytes)
{
	static const char *const unit[] = {"B", "KB", "MB", "GB", "TB", "PB", "EB"};
	unsigned int i = 0;

	for (; bytes >= 1000 && i < 6; i++)
		bytes /= 1000;
	return text(bytes < 10 && i ? "%.1f %s" : "%.0f %s", bytes, unit[i]);
}

static const char *span_text(double seconds)
{
	if (seconds < 90)
		return text(seconds < 9.95 ? "%.1f s" : "%.0f s", seconds);
	if (seconds < 5400)
		return text("%.0f min", seconds / 60);
	if (seconds < 36 * 3600)
		return text("%.1f h", seconds / 3600);
	return text("%.1f days", seconds / 86400);
}

static double seconds_of(const struct span *s)
{
	return (double)(s->to_ns - s->from_ns) / SECOND_NS;
}

/* MB/s */
static double device_rate(const struct span *s)
{
	return (double)s->device_bytes / seconds_of(s) / 1e6;
}

static double cache_rate(const struct span *s)
{
	return (double)s->cache_bytes / seconds_of(s) / 1e6;
}

/*
 * What was fetched by byte known to be used; 0 where nothing is known. Of what the page cache asked
 * for, what it had is not fetched; of what the device gave, O_DIRECT's is not the page cache's: the
 * smaller of both. A file system without a disk of its own has the former alone.
 */
static double amplification(__u64 device_bytes, __u64 cache_bytes, __u64 used_bytes)
{
	__u64 fetched = device_bytes && device_bytes < cache_bytes ? device_bytes : cache_bytes;
	double ratio = used_bytes ? (double)fetched / (double)used_bytes : 0;

	return ratio && ratio < 1 ? 1 : ratio;
}

static double span_amplification(const struct span *s)
{
	return amplification(s->device_bytes, s->cache_bytes, s->used_bytes);
}

/* --- from records to devices ------------------------------------------------------------------ */

static bool joins(const struct span *last, const struct span *s, __u64 coarse_ns)
{
	return last->class_id == s->class_id && last->ra_kb == s->ra_kb &&
	       s->from_ns <= last->to_ns + IDLE_NS && s->to_ns - last->from_ns <= coarse_ns;
}

static void add_span(struct device *d, const struct history_record *r, const struct report *report,
		     __u64 coarse_ns)
{
	__u64 length = r->span_ms * 1000000ULL;
	struct span s = {
		.from_ns = r->time_ns > length ? r->time_ns - length : 0,
		.to_ns = r->time_ns,
		.device_bytes = r->block_bytes,
		.cache_bytes = r->fetched_bytes,
		.used_bytes = r->used_bytes,
		.calls = r->calls,
		.margin = (double)r->margin / LOGIT_ONE,
		.ra_kb = r->ra_kb,
		.class_id = r->class_id,
	};
	struct span *last = d->nr_spans ? &d->spans[d->nr_spans - 1] : NULL;

	if (!r->span_ms || s.to_ns <= report->from_ns || s.to_ns > report->to_ns)
		return;
	/* A clock that was set back, and what began before the period. */
	if (last && s.from_ns < last->to_ns)
		s.from_ns = last->to_ns;
	if (s.from_ns < report->from_ns)
		s.from_ns = report->from_ns;
	if (s.from_ns >= s.to_ns)
		return;
	d->device_bytes += s.device_bytes;
	d->bytes += s.device_bytes ? s.device_bytes : s.cache_bytes;
	if (last && joins(last, &s, coarse_ns)) {
		last->to_ns = s.to_ns;
		last->device_bytes += s.device_bytes;
		last->cache_bytes += s.cache_bytes;
		last->used_bytes += s.used_bytes;
		last->calls += s.calls;
		last->margin = s.margin;
		return;
	}
	d->spans[d->nr_spans++] = s;
}

static void count_decision(struct device *d, const struct history_record *r)
{
	switch (r->what) {
	case APPLY_WRITTEN:
	case APPLY_REASSERTED:
		d->changes++;
		d->last_kb = r->to_kb;
		break;
	case APPLY_NOOP:
		d->last_kb = r->to_kb;
		break;
	case APPLY_STOOD_BACK:
		d->stood_back++;
		d->last_kb = r->to_kb;
		break;
	case APPLY_REFUSED:
		d->refusals++;
		break;
	}
	if (r->original_kb)
		d->original_kb = r->original_kb;
}

static void fill_device(struct device *d, const struct report *report)
{
	__u64 coarse_ns = (report->to_ns - report->from_ns) / POINTS_MAX;
	size_t i, samples = 0;

	for (i = 0; i < d->count; i++)
		samples += d->records[i]->kind == HISTORY_SAMPLE;
	if (samples <= POINTS_MAX)
		coarse_ns = 0;
	for (i = 0; i < d->count; i++) {
		const struct history_record *r = d->records[i];

		if (r->kind == HISTORY_SAMPLE) {
			add_span(d, r, report, coarse_ns);
			d->last_kb = r->ra_kb;
		} else if (r->kind == HISTORY_DECISION) {
			count_decision(d, r);
		} else if (r->kind == HISTORY_NOTE) {
			d->reverts += r->what == HISTORY_REVERTED;
		}
	}
}

static struct device *device_of(struct page *p, const struct history_record *r)
{
	struct device *grown;
	size_t i;

	for (i = 0; i < p->nr_devices; i++) {
		if (!strcmp(p->devices[i].label, r->label))
			return &p->devices[i];
	}
	grown = realloc(p->devices, (p->nr_devices + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	p->devices = grown;
	grown += p->nr_devices;
	memset(grown, 0, sizeof(*grown));
	grown->records = calloc(p->report->count, sizeof(struct history_record *));
	grown->spans = calloc(p->report->count, sizeof(*grown->spans));
	p->nr_devices++;
	if (!grown->records || !grown->spans)
		return NULL;
	grown->label = r->label;
	return grown;
}

static int by_bytes(const void *a, const void *b)
{
	const struct device *x = a, *y = b;

	return x->bytes != y->bytes ? (x->bytes < y->bytes) - (x->bytes > y->bytes) :
				      strcmp(x->label, y->label);
}

/* An end, or what was recorded last before a start: a kill leaves no end. */
static void find_pauses(struct page *p)
{
	__u64 last = 0;
	size_t i;

	for (i = 0; i < p->report->count; i++) {
		const struct history_record *r = &p->report->records[i];

		if (r->kind == HISTORY_MARK && r->what == HISTORY_STARTED && last &&
		    r->time_ns > last) {
			p->pauses[p->nr_pauses].from_ns = last;
			p->pauses[p->nr_pauses++].to_ns = r->time_ns;
		}
		last = r->time_ns;
	}
	if (i && p->report->records[i - 1].kind == HISTORY_MARK &&
	    p->report->records[i - 1].what == HISTORY_STOPPED) {
		p->pauses[p->nr_pauses].from_ns = last;
		p->pauses[p->nr_pauses++].to_ns = ~0ULL;
	}
}

static bool sort_records(struct page *p)
{
	struct device *d;
	size_t i;

	p->pauses = calloc(p->report->count + 1, sizeof(*p->pauses));
	if (!p->pauses)
		return false;
	find_pauses(p);
	for (i = 0; i < p->report->count; i++) {
		const struct history_record *r = &p->report->records[i];

		if (r->kind == HISTORY_MARK || !r->label[0] || r->time_ns < p->report->from_ns ||
		    r->time_ns > p->report->to_ns)
			continue;
		d = device_of(p, r);
		if (!d)
			return false;
		d->name = r->name;
		d->records[d->count++] = r;
	}
	for (i = 0; i < p->nr_devices; i++)
		fill_device(&p->devices[i], p->report);
	if (p->nr_devices)
		qsort(p->devices, p->nr_devices, sizeof(*p->devices), by_bytes);
	return true;
}

/* --- scales ----------------------------------------------------------------------------------- */

static double x_of(const struct page *p, __u64 time_ns)
{
	const struct report *r = p->report;
	double share;

	if (time_ns <= r->from_ns)
		return LEFT;
	if (time_ns >= r->to_ns)
		return RIGHT;
	share = (double)(time_ns - r->from_ns) / (double)(r->to_ns - r->from_ns);
	return LEFT + share * (RIGHT - LEFT);
}

struct scale {
	double top, bottom; /* y */
	double least, most;
	double step; /* between ticks: a factor if logarithmic */
	bool logarithmic;
};

static double y_of(const struct scale *s, double value)
{
	double share;

	if (value < s->least)
		value = s->least;
	if (value > s->most)
		value = s->most;
	share = s->logarithmic ? log2(value / s->least) / log2(s->most / s->least) :
				 (value - s->least) / (s->most - s->least);
	return s->bottom - share * (s->bottom - s->top);
}

/* From 0 to a round number: a step of 1, 2 or 5 times a power of ten. */
static void scale_linear(struct scale *s, double most)
{
	double ticks = floor((s->bottom - s->top) / TICK);
	double least = most / ticks, step = pow(10, floor(log10(least)));

	if (least > 5 * step)
		step *= 10;
	else if (least > 2 * step)
		step *= 5;
	else if (least > step)
		step *= 2;
	s->least = 0;
	s->step = step;
	s->most = ceil(most / step) * step;
	s->logarithmic = false;
}

/* Powers of two, as many of them marked as there is room for. */
static void scale_powers(struct scale *s, double least, double most)
{
	int from = (int)floor(log2(least)), to = (int)ceil(log2(most)), step = 1;
	int ticks = (int)((s->bottom - s->top) / TICK);

	if (to - from < 2)
		to = from + 2;
	while ((to - from + step - 1) / step > ticks)
		step++;
	s->least = exp2(from);
	s->most = exp2(from + (to - from + step - 1) / step * step);
	s->step = exp2(step);
	s->logarithmic = true;
}

static void draw_scale(FILE *out, const struct scale *s, const char *title, const char *unit)
{
	double value = s->least;

	fprintf(out, "<text class=\"title\" x=\"%d\" y=\"%.1f\">%s</text>\n", LEFT, s->top - 7,
		title);
	while (value <= s->most * 1.0001) {
		double y = y_of(s, value);

		fprintf(out,
			"<path class=\"grid\" d=\"M%d %.1fH%d\"/><text class=\"tick\" x=\"%d\" "
			"y=\"%.1f\">%g%s</text>\n",
			LEFT, y, RIGHT, LEFT - 7, y + 4, value, unit);
		value = s->logarithmic ? value * s->step : value + s->step;
	}
}

/* Seconds between two ticks of the time axis, at least a tenth of the period. */
static unsigned int time_step(double seconds)
{
	static const unsigned int steps[] = {1,      2,      5,       10,      15,      30,
					     60,     120,    300,     600,     900,     1800,
					     3600,   7200,   10800,   21600,   43200,   86400,
					     172800, 604800, 2419200, 7862400, 31536000};
	unsigned int i = 0;

	while (i + 1 < sizeof(steps) / sizeof(steps[0]) && seconds / steps[i] > 9)
		i++;
	return steps[i];
}

static void draw_time_axis(const struct page *p, double top, double bottom)
{
	const struct report *r = p->report;
	unsigned int step = time_step((double)(r->to_ns - r->from_ns) / SECOND_NS);
	time_t second = (time_t)(r->from_ns / SECOND_NS), end = (time_t)(r->to_ns / SECOND_NS);
	char day[32] = "", last_day[32] = "";
	struct tm local = {0};
	double x;

	/* On round local times: from midnight on. */
	localtime_r(&second, &local);
	local.tm_hour = local.tm_min = local.tm_sec = 0;
	local.tm_isdst = -1;
	second = mktime(&local);
	if (second < 0)
		return;
	while ((__u64)second * SECOND_NS < r->from_ns)
		second += step;
	for (; second <= end; second += step) {
		__u64 at = (__u64)second * SECOND_NS;

		x = x_of(p, at);
		fprintf(p->out,
			"<path class=\"grid\" d=\"M%.1f %.1fV%.1f\"/><text class=\"time\" "
			"x=\"%.1f\" y=\"%.1f\">%s</text>\n",
			x, top, bottom, x, bottom + 15,
			time_text(at, step < 60 ? "%H:%M:%S" : "%H:%M"));
		snprintf(day, sizeof(day), "%s", time_text(at, "%-d %b"));
		/* The day, where it changes; the first one wherever it is. */
		if (strcmp(day, last_day) != 0)
			fprintf(p->out, "<text class=\"time\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", x,
				bottom + 29, day);
		snprintf(last_day, sizeof(last_day), "%s", day);
	}
}

/* A moment, with its day where there are several. */
static const char *moment(const struct page *p, __u64 time_ns)
{
	bool days = p->report->to_ns - p->report->from_ns > 86400 * SECOND_NS;

	return time_text(time_ns, days ? "%-d %b %H:%M:%S" : "%H:%M:%S");
}

/* --- the curves ------------------------------------------------------------------------------- */

/* A value per span, as steps; where nothing was read the line ends. */
static void draw_steps(const struct page *p, const struct device *d, const struct scale *s,
		       double (*value_of)(const struct span *), const char *class, bool filled)
{
	__u64 drawn_to = 0;
	double x = 0;
	size_t i;

	fprintf(p->out, "<path class=\"%s\" d=\"", class);
	for (i = 0; i < d->nr_spans; i++) {
		const struct span *span = &d->spans[i];
		double value = value_of(span), y = y_of(s, value);

		if (!filled && value <= 0) {
			drawn_to = 0;
			continue;
		}
		if (!drawn_to || span->from_ns > drawn_to + IDLE_NS) {
			if (filled && drawn_to)
				fprintf(p->out, "V%.1fZ", s->bottom);
			x = x_of(p, span->from_ns);
			fprintf(p->out, "M%.1f %.1f", x, filled ? s->bottom : y);
		}
		x = x_of(p, span->to_ns);
		fprintf(p->out, "V%.1fH%.1f", y, x);
		drawn_to = span->to_ns;
	}
	if (filled && drawn_to)
		fprintf(p->out, "V%.1fZ", s->bottom);
	fputs("\"/>\n", p->out);
}

static double margin_of(const struct span *s)
{
	return s->class_id == CLASS_NONE ? 0 : s->margin;
}

/* The value in effect after a record; 0 if the record does not say. */
static unsigned int kb_after(const struct history_record *r)
{
	switch (r->kind) {
	case HISTORY_SAMPLE:
		return r->ra_kb;
	case HISTORY_DECISION:
		return r->what == APPLY_GONE ? 0 : r->ra_kb;
	default:
		return 0;
	}
}

/* ... and before it, where it changed then. */
static unsigned int kb_before(const struct history_record *r)
{
	if (r->kind == HISTORY_SAMPLE)
		return r->ra_kb;
	if (r->kind != HISTORY_DECISION || r->what == APPLY_GONE)
		return 0;
	/* Somebody changed it before we looked, and samples may have told so. */
	return r->what == APPLY_STOOD_BACK ? r->to_kb : r->from_kb;
}

static const struct pause *pause_between(const struct page *p, __u64 from_ns, __u64 to_ns)
{
	size_t i;

	for (i = 0; i < p->nr_pauses; i++) {
		if (p->pauses[i].to_ns > from_ns && p->pauses[i].from_ns < to_ns)
			return &p->pauses[i];
	}
	return NULL;
}

/* Since when bpfahead had been running then. */
static __u64 started_before(const struct page *p, __u64 time_ns)
{
	__u64 started = p->report->from_ns;
	size_t i;

	for (i = 0; i < p->nr_pauses; i++) {
		if (p->pauses[i].to_ns <= time_ns && p->pauses[i].to_ns > started)
			started = p->pauses[i].to_ns;
	}
	return started;
}

/* Goes on while nothing is read, but not while nobody looks. */
static void draw_readahead(const struct page *p, const struct device *d, const struct scale *s)
{
	const struct pause *pause;
	__u64 last = 0, from, stop;
	unsigned int kb = 0;
	size_t i;

	fputs("<path class=\"ra\" d=\"", p->out);
	for (i = 0; i < d->count; i++) {
		const struct history_record *r = d->records[i];

		if (!kb_after(r))
			continue;
		from = r->time_ns;
		if (r->kind == HISTORY_SAMPLE)
			from -= r->span_ms * 1000000ULL;
		else if (!last || pause_between(p, last, r->time_ns))
			from = started_before(p, r->time_ns); /* what it found */
		pause = last ? pause_between(p, last, r->time_ns) : NULL;
		if (pause)
			fprintf(p->out, "H%.1f", x_of(p, pause->from_ns));
		if (!last || pause)
			fprintf(p->out, "M%.1f %.1f",
				x_of(p, pause && from < pause->to_ns ? pause->to_ns : from),
				y_of(s, kb_before(r)));
		else if (kb != kb_before(r))
			fprintf(p->out, "H%.1fV%.1f", x_of(p, from), y_of(s, kb_before(r)));
		fprintf(p->out, "H%.1fV%.1f", x_of(p, r->time_ns), y_of(s, kb_after(r)));
		kb = kb_after(r);
		last = r->time_ns;
	}
	if (last) {
		pause = pause_between(p, last, p->report->to_ns);
		stop = pause && pause->from_ns > last ? pause->from_ns : p->report->to_ns;
		fprintf(p->out, "H%.1f", x_of(p, stop));
	}
	fputs("\"/>\n", p->out);
}

/* The administrator's value: what each decision knew of it. */
static void draw_original(const struct page *p, const struct device *d, const struct scale *s)
{
	unsigned int kb = 0;
	size_t i;

	fputs("<path class=\"original\" d=\"", p->out);
	for (i = 0; i < d->count; i++) {
		const struct history_record *r = d->records[i];

		if (!r->original_kb || r->original_kb == kb)
			continue;
		if (kb)
			fprintf(p->out, "H%.1fV%.1f", x_of(p, r->time_ns), y_of(s, r->original_kb));
		else
			fprintf(p->out, "M%d %.1f", LEFT, y_of(s, r->original_kb));
		kb = r->original_kb;
	}
	if (kb)
		fprintf(p->out, "H%d", RIGHT);
	fputs("\"/>\n", p->out);
}

static const char *class_text(unsigned int id)
{
	return id == CLASS_NONE ? "no class" : class_name(id);
}

static void draw_strip(const struct page *p, const struct device *d, double top)
{
	double from, to;
	size_t i, j;

	fprintf(p->out, "<text class=\"title\" x=\"%d\" y=\"%.1f\">Class seen</text>\n", LEFT,
		top - 7);
	for (i = 0; i < d->nr_spans; i = j) {
		const struct span *s = &d->spans[i];

		/* Neighbours of one class are one piece. */
		for (j = i + 1; j < d->nr_spans && d->spans[j].class_id == s->class_id &&
				d->spans[j].from_ns <= d->spans[j - 1].to_ns + IDLE_NS;
		     j++)
			;
		from = x_of(p, s->from_ns);
		to = x_of(p, d->spans[j - 1].to_ns);
		fprintf(p->out,
			"<rect class=\"c%u\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\"/>",
			s->class_id, from, top, to - from > 0.5 ? to - from : 0.5, STRIP);
		if (to - from > 6.4 * (double)strlen(class_text(s->class_id)) + 8)
			fprintf(p->out, "<text class=\"on c%u\" x=\"%.1f\" y=\"%.1f\">%s</text>",
				s->class_id, (from + to) / 2, top + 14, class_text(s->class_id));
		fputc('\n', p->out);
	}
}

/* One for all curves: whoever points at a moment is told of all of them. */
static void draw_hover(const struct page *p, const struct device *d, double top, double bottom)
{
	size_t i;

	for (i = 0; i < d->nr_spans; i++) {
		const struct span *s = &d->spans[i];
		double from = x_of(p, s->from_ns), to = x_of(p, s->to_ns);
		double ratio = span_amplification(s);

		fprintf(p->out,
			"<rect class=\"hover\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
			"height=\"%.1f\"><title>%s to %s\nreadahead %u KB\n%s, margin %.1f\n"
			"%.1f MB/s from the device, %.1f MB/s by the page cache",
			from, top, to - from > 1 ? to - from : 1, bottom - top,
			moment(p, s->from_ns), moment(p, s->to_ns), s->ra_kb,
			class_text(s->class_id), s->margin, device_rate(s), cache_rate(s));
		if (ratio > 0)
			fprintf(p->out, "\namplification %.1f", ratio);
		fputs("</title></rect>\n", p->out);
	}
}

/* --- signs: what was decided, and what came of it --------------------------------------------- */

enum sign { CHANGED, STAYED, REFUSED, STOOD_BACK, REVERTED, PROBED, NR_SIGNS };

static const struct {
	const char *class, *shape, *means;
} signs[NR_SIGNS] = {
	[CHANGED] = {"changed", "M-6 -5H6L0 6Z", "value set"},
	[STAYED] = {"stayed", "M-5 -4.5H5L0 5Z", "decided, no change needed"},
	[REFUSED] = {"refused", "M-5 -5L5 5M-5 5L5 -5", "refused by the kernel"},
	[STOOD_BACK] = {"stood", "M-5 -5H5V5H-5Z", "changed by somebody else: left alone"},
	[REVERTED] = {"reverted", "M0 -6.5L6.5 0L0 6.5L-6.5 0Z", "taken back: it did harm"},
	[PROBED] = {"probed", "M0 -4A4 4 0 1 0 0.01 -4Z", "neighbouring value tried, kept or not"},
};

/* -1: none */
static int sign_of(const struct history_record *r)
{
	if (r->kind == HISTORY_NOTE)
		return r->what == HISTORY_REVERTED ? REVERTED :
		       r->what == HISTORY_KEPT     ? -1 :
						     PROBED;
	if (r->kind != HISTORY_DECISION)
		return -1;
	switch (r->what) {
	case APPLY_WRITTEN:
	case APPLY_REASSERTED:
		return CHANGED;
	case APPLY_NOOP:
	case APPLY_RECOMMENDED:
		return STAYED;
	case APPLY_REFUSED:
		return REFUSED;
	case APPLY_STOOD_BACK:
		return STOOD_BACK;
	default:
		return -1;
	}
}

static const char *note_text(unsigned int what)
{
	switch (what) {
	case HISTORY_REVERTED:
		return "taken back";
	case HISTORY_KEPT:
		return "judged, and kept";
	case HISTORY_TRIED:
		return "neighbour tried";
	case HISTORY_TRIMMED:
		return "neighbour kept";
	case HISTORY_UNTRIMMED:
		return "neighbour taken back";
	default:
		return "?";
	}
}

/* What came of it, in words; into the page, escaped. */
static void write_outcome(FILE *out, const struct history_record *r)
{
	if (r->kind == HISTORY_NOTE) {
		fputs(note_text(r->what), out);
		if (r->text[0]) {
			fputs(": ", out);
			print_escaped(out, r->text);
		}
		return;
	}
	switch (r->what) {
	case APPLY_WRITTEN:
		fputs("set", out);
		break;
	case APPLY_NOOP:
		fputs("in place already", out);
		break;
	case APPLY_RECOMMENDED:
		fputs("recommended only", out);
		break;
	case APPLY_REASSERTED:
		fputs("set again: the kernel had reset it", out);
		break;
	case APPLY_STOOD_BACK:
		fputs("changed by somebody else: left alone", out);
		break;
	case APPLY_REFUSED:
		fputs("refused: ", out);
		print_escaped(out, strerror((int)r->error));
		break;
	case APPLY_GONE:
		fputs("the device has left", out);
		break;
	default:
		fputs("?", out);
	}
}

static void write_classes(FILE *out, const struct history_record *r)
{
	if (r->kind == HISTORY_NOTE || r->old_class == r->class_id)
		fputs(class_text(r->class_id), out);
	else
		fprintf(out, "%s \xe2\x86\x92 %s", class_text(r->old_class),
			class_text(r->class_id));
}

static void write_kb(FILE *out, const struct history_record *r)
{
	if (r->kind == HISTORY_DECISION && r->what == APPLY_GONE)
		fputs("\xe2\x80\x93", out);
	else if (r->from_kb == r->to_kb)
		fprintf(out, "%u KB", r->to_kb);
	else
		fprintf(out, "%u \xe2\x86\x92 %u KB", r->from_kb, r->to_kb);
}

/* Signs that would overlap go to rows of their own, as far as there are any. */
struct lane {
	double last[ROWS_MAX]; /* x */
	int rows;
};

static int row_of(struct lane *lane, double x)
{
	int row = 0;

	while (row < ROWS_MAX - 1 && x - lane->last[row] < ROW)
		row++;
	lane->last[row] = x;
	if (row >= lane->rows)
		lane->rows = row + 1;
	return row;
}

static void clear_lane(struct lane *lane)
{
	int i;

	for (i = 0; i < ROWS_MAX; i++)
		lane->last[i] = -WIDTH;
	lane->rows = 1;
}

static int rows_of_signs(const struct page *p, const struct device *d)
{
	struct lane lane;
	size_t i;

	clear_lane(&lane);
	for (i = 0; i < d->count; i++) {
		if (sign_of(d->records[i]) >= 0)
			row_of(&lane, x_of(p, d->records[i]->time_ns));
	}
	return lane.rows;
}

/* Where the value changed, a line through all curves; below their titles. */
static void draw_lines(const struct page *p, const struct device *d, double top, double bottom)
{
	size_t i;
	int sign;

	for (i = 0; i < d->count; i++) {
		sign = sign_of(d->records[i]);
		if (sign < 0 || sign == STAYED || sign == PROBED)
			continue;
		fprintf(p->out, "<path class=\"line\" d=\"M%.1f %.1fV%.1f\"/>\n",
			x_of(p, d->records[i]->time_ns), top, bottom);
	}
}

static void draw_signs(const struct page *p, const struct device *d)
{
	struct lane lane;
	size_t i;
	double x;
	int sign;

	clear_lane(&lane);
	for (i = 0; i < d->count; i++) {
		const struct history_record *r = d->records[i];

		sign = sign_of(r);
		if (sign < 0)
			continue;
		x = x_of(p, r->time_ns);
		fprintf(p->out, "<g class=\"sign\" transform=\"translate(%.1f %d)\"><title>%s  ", x,
			9 + ROW * row_of(&lane, x), moment(p, r->time_ns));
		write_classes(p->out, r);
		fputs("\n", p->out);
		write_kb(p->out, r);
		fputs(": ", p->out);
		write_outcome(p->out, r);
		fprintf(p->out, "</title><path class=\"%s\" d=\"%s\"/></g>\n", signs[sign].class,
			signs[sign].shape);
	}
}

static void draw_pauses(const struct page *p, double top, double bottom)
{
	size_t i;

	for (i = 0; i < p->nr_pauses; i++) {
		double from = x_of(p, p->pauses[i].from_ns), to = x_of(p, p->pauses[i].to_ns);

		if (to - from < 0.5)
			continue;
		fprintf(p->out,
			"<rect class=\"off\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">"
			"<title>bpfahead did not run</title></rect>\n",
			from, top, to - from, bottom - top);
		if (to - from > 90)
			fprintf(p->out,
				"<text class=\"time\" x=\"%.1f\" y=\"%.1f\">not running</text>\n",
				(from + to) / 2, (top + bottom) / 2);
	}
}

/* --- a device --------------------------------------------------------------------------------- */

struct extent {
	double least_kb, most_kb, margin, rate, ratio;
};

static struct extent extent_of(const struct device *d)
{
	struct extent e = {.least_kb = 1e9, .margin = 1, .rate = 0.1, .ratio = 2};
	unsigned int kb[3], j;
	size_t i;

	for (i = 0; i < d->count; i++) {
		kb[0] = kb_before(d->records[i]);
		kb[1] = kb_after(d->records[i]);
		kb[2] = d->records[i]->original_kb;
		for (j = 0; j < 3; j++) {
			if (!kb[j])
				continue;
			e.least_kb = fmin(e.least_kb, kb[j]);
			e.most_kb = fmax(e.most_kb, kb[j]);
		}
	}
	if (e.most_kb < e.least_kb)
		e.least_kb = e.most_kb = 128;
	for (i = 0; i < d->nr_spans; i++) {
		e.margin = fmax(e.margin, margin_of(&d->spans[i]));
		e.rate = fmax(e.rate, fmax(device_rate(&d->spans[i]), cache_rate(&d->spans[i])));
		e.ratio = fmax(e.ratio, span_amplification(&d->spans[i]));
	}
	return e;
}

/* The place of the next curve below @y. */
static struct scale place(double *y, double height)
{
	struct scale s = {.top = *y + TITLE, .bottom = *y + TITLE + height};

	*y = s.bottom + GAP;
	return s;
}

static void write_legend_sign(FILE *out, const char *class, const char *shape, const char *means)
{
	fprintf(out,
		"<li><svg class=\"key\" viewBox=\"-9 -9 18 18\" aria-hidden=\"true\"><path "
		"class=\"%s\" d=\"%s\"/></svg> %s</li>\n",
		class, shape, means);
}

static void write_legend(FILE *out, const struct device *d)
{
	bool seen[NR_SIGNS] = {false}, classes[256] = {false};
	int sign, i;
	size_t n;

	for (n = 0; n < d->count; n++) {
		sign = sign_of(d->records[n]);
		if (sign >= 0)
			seen[sign] = true;
	}
	for (n = 0; n < d->nr_spans; n++)
		classes[d->spans[n].class_id] = true;
	fputs("<ul class=\"legend\">\n", out);
	for (i = 0; i < NR_SIGNS; i++) {
		if (seen[i])
			write_legend_sign(out, signs[i].class, signs[i].shape, signs[i].means);
	}
	write_legend_sign(out, "original", "M-9 0H9", "the administrator's value");
	if (d->device_bytes)
		write_legend_sign(out, "area", "M-8 6V-6H8V6Z", "read from the device");
	write_legend_sign(out, "cache", "M-9 0H9", "asked for by the page cache");
	for (i = 0; i < 256; i++) {
		if (classes[i])
			fprintf(out,
				"<li><svg class=\"key\" viewBox=\"-9 -9 18 18\" "
				"aria-hidden=\"true\">"
				"<rect class=\"c%d\" x=\"-8\" y=\"-6\" width=\"16\" "
				"height=\"12\"/></svg> %s</li>\n",
				i, class_text((unsigned int)i));
	}
	fputs("</ul>\n", out);
}

static void draw_device(const struct page *p, const struct device *d, size_t number)
{
	struct extent e = extent_of(d);
	struct scale ra, margin, rate, ratio;
	int lane = ROW * rows_of_signs(p, d) + 8;
	double y = lane, strip, bottom;
	FILE *out = p->out;

	ra = place(&y, 120);
	strip = y + TITLE;
	y = strip + STRIP + GAP;
	margin = place(&y, 56);
	rate = place(&y, 110);
	ratio = place(&y, 84);
	bottom = ratio.bottom;
	scale_powers(&ra, e.least_kb, e.most_kb);
	scale_linear(&margin, e.margin);
	scale_linear(&rate, e.rate);
	scale_powers(&ratio, 1, e.ratio);

	fprintf(out,
		"<figure><svg viewBox=\"0 0 %d %.0f\" role=\"img\" aria-labelledby=\"t%zu d%zu\">\n"
		"<title id=\"t%zu\">",
		WIDTH, bottom + AXIS, number, number, number);
	print_escaped(out, d->label);
	fprintf(out,
		" over time</title>\n<desc id=\"d%zu\">Five curves above one time axis: readahead, "
		"class, margin, throughput and amplification. The tables below say the same in "
		"words.</desc>\n",
		number);
	draw_pauses(p, lane, bottom);
	draw_time_axis(p, ra.top, bottom);
	draw_lines(p, d, lane, bottom);
	draw_scale(out, &ra, "Readahead (KB)", "");
	draw_original(p, d, &ra);
	draw_readahead(p, d, &ra);
	draw_strip(p, d, strip);
	draw_scale(out, &margin, "Margin of the class (logits)", "");
	draw_steps(p, d, &margin, margin_of, "margin", false);
	draw_scale(out, &rate, "Throughput (MB/s)", "");
	if (d->device_bytes)
		draw_steps(p, d, &rate, device_rate, "area", true);
	draw_steps(p, d, &rate, cache_rate, "cache", false);
	draw_scale(out, &ratio, "Amplification (bytes fetched per byte known to be used)",
		   "\xc3\x97");
	draw_steps(p, d, &ratio, span_amplification, "ratio", false);
	draw_hover(p, d, ra.top, bottom);
	draw_signs(p, d);
	fputs("</svg>\n<figcaption>\n", out);
	write_legend(out, d);
	fputs("</figcaption></figure>\n", out);
}

/* What was read under one value while one class was seen. */
struct sum {
	unsigned int class_id, ra_kb;
	__u64 ns, device_bytes, cache_bytes, used_bytes;
};

static int by_time(const void *a, const void *b)
{
	const struct sum *x = a, *y = b;

	return (x->ns < y->ns) - (x->ns > y->ns);
}

/* "26 GB, 21.7 MB/s" */
static const char *amount_text(__u64 bytes, double seconds)
{
	if (!bytes)
		return "\xe2\x80\x93";
	return text("%s, %.1f MB/s", bytes_text((double)bytes), (double)bytes / seconds / 1e6);
}

static int write_sums(FILE *out, const struct device *d)
{
	struct sum *sums = calloc(d->nr_spans ? d->nr_spans : 1, sizeof(*sums)), *s;
	size_t i, n = 0;

	if (!sums)
		return -ENOMEM;
	for (i = 0; i < d->nr_spans; i++) {
		const struct span *span = &d->spans[i];

		for (s = sums; s < sums + n; s++) {
			if (s->class_id == span->class_id && s->ra_kb == span->ra_kb)
				break;
		}
		if (s == sums + n)
			n++;
		s->class_id = span->class_id;
		s->ra_kb = span->ra_kb;
		s->ns += span->to_ns - span->from_ns;
		s->device_bytes += span->device_bytes;
		s->cache_bytes += span->cache_bytes;
		s->used_bytes += span->used_bytes;
	}
	qsort(sums, n, sizeof(*sums), by_time);
	if (n)
		fputs("<table><caption>What was read, by class and readahead</caption>\n"
		      "<thead><tr><th scope=\"col\">Class</th><th scope=\"col\">Readahead</th>"
		      "<th scope=\"col\">For</th><th scope=\"col\">From the device</th>"
		      "<th scope=\"col\">By the page cache</th>"
		      "<th scope=\"col\">Amplification</th></tr></thead>\n<tbody>\n",
		      out);
	for (s = sums; s < sums + n; s++) {
		double seconds = (double)s->ns / SECOND_NS;
		double ratio = amplification(s->device_bytes, s->cache_bytes, s->used_bytes);

		fprintf(out,
			"<tr><th scope=\"row\">%s</th><td>%u KB</td><td>%s</td>"
			"<td>%s</td><td>%s</td><td>%s</td></tr>\n",
			class_text(s->class_id), s->ra_kb, span_text(seconds),
			amount_text(s->device_bytes, seconds), amount_text(s->cache_bytes, seconds),
			ratio > 0 ? text("%.1f\xc3\x97", ratio) : "\xe2\x80\x93");
	}
	if (n)
		fputs("</tbody></table>\n", out);
	free(sums);
	return 0;
}

static void write_decisions(FILE *out, const struct device *d)
{
	size_t i, rows = 0;

	for (i = 0; i < d->count; i++) {
		const struct history_record *r = d->records[i];

		if (r->kind == HISTORY_SAMPLE)
			continue;
		if (!rows++)
			fputs("<table class=\"decisions\"><caption>Decisions, and what came of "
			      "them</caption>\n"
			      "<thead><tr><th scope=\"col\">Time</th><th scope=\"col\">Class</th>"
			      "<th scope=\"col\">Readahead</th><th scope=\"col\">Margin</th>"
			      "<th scope=\"col\">Outcome</th></tr></thead>\n<tbody>\n",
			      out);
		fprintf(out, "<tr><th scope=\"row\"><time datetime=\"%s\">%s</time></th><td>",
			time_text(r->time_ns, "%Y-%m-%dT%H:%M:%S%z"),
			time_text(r->time_ns, "%Y-%m-%d %H:%M:%S"));
		write_classes(out, r);
		fputs("</td><td>", out);
		write_kb(out, r);
		if (r->kind == HISTORY_DECISION && r->what != APPLY_GONE)
			fprintf(out, "</td><td>%.1f</td><td>", (double)r->margin / LOGIT_ONE);
		else
			fputs("</td><td>\xe2\x80\x93</td><td>", out);
		write_outcome(out, r);
		fputs("</td></tr>\n", out);
	}
	if (rows)
		fputs("</tbody></table>\n", out);
	else
		fputs("<p>Nothing was decided.</p>\n", out);
}

static void write_count(FILE *out, unsigned int count, const char *one, const char *many)
{
	if (count)
		fprintf(out, ", %u %s", count, count == 1 ? one : many);
}

static int write_device(const struct page *p, const struct device *d, size_t number)
{
	FILE *out = p->out;
	int err;

	fprintf(out, "<section id=\"device%zu\">\n<h2>", number);
	print_escaped(out, d->label);
	if (strcmp(d->label, d->name) != 0) {
		fputs(" <small>bdi ", out);
		print_escaped(out, d->name);
		fputs("</small>", out);
	}
	fprintf(out, "</h2>\n<p>%s read; readahead set %u time%s", bytes_text((double)d->bytes),
		d->changes, d->changes == 1 ? "" : "s");
	write_count(out, d->reverts, "taken back", "taken back");
	write_count(out, d->refusals, "refusal", "refusals");
	write_count(out, d->stood_back, "time changed by somebody else",
		    "times changed by somebody else");
	if (d->last_kb)
		fprintf(out, "; at the end %u KB", d->last_kb);
	if (d->original_kb)
		fprintf(out, "; the administrator's value is %u KB", d->original_kb);
	fputs(".</p>\n", out);
	draw_device(p, d, number);
	err = write_sums(out, d);
	write_decisions(out, d);
	fputs("</section>\n", out);
	return err;
}

/* --- the page --------------------------------------------------------------------------------- */

static const char style[] =
	":root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--soft:#57606a;--grid:#dfe3e8;"
	"--rule:#c8ced6;--off:#eef0f3;--ra:#0b5cad;--area:#9cc3ea;--area-line:#5b93cc;"
	"--cache:#a33b00;--margin:#5a3fb0;--ratio:#a1125a;--bad:#c21a1a;--stood:#7a5b00;"
	"--sign:#0b5cad}\n"
	"@media (prefers-color-scheme:dark){:root{--bg:#14171c;--fg:#e7eaee;--soft:#a6afba;"
	"--grid:#2b313a;--rule:#3c444f;--off:#20252c;--ra:#6db3ff;--area:#24466b;"
	"--area-line:#4d80b5;--cache:#ff9c66;--margin:#b7a3ff;--ratio:#ff86bd;--bad:#ff7b7b;"
	"--stood:#e3bd4a;--sign:#6db3ff}}\n"
	"body{background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif;margin:0 "
	"auto;"
	"max-width:1040px;padding:20px}\n"
	"h1{font-size:1.6em;margin:0}h2{font-size:1.3em;margin:1.8em 0 0}"
	"small,.soft{color:var(--soft);font-weight:400}p{margin:.3em 0 .8em}a{color:var(--ra)}\n"
	"figure{margin:0;overflow-x:auto}svg{display:block;width:100%;min-width:620px;height:auto}"
	"svg.key{display:inline-block;width:18px;min-width:18px;height:18px;vertical-align:-4px}\n"
	".legend{display:flex;flex-wrap:wrap;gap:2px 18px;list-style:none;margin:0 0 1em;padding:0 "
	"0 "
	"0 66px;font-size:13px;color:var(--soft)}\n"
	"text{fill:var(--fg);font-size:12px}.title{font-weight:600;paint-order:stroke;stroke:var(--"
	"bg);stroke-width:5px}.tick{text-anchor:end}"
	".tick,.time{fill:var(--soft)}.time,.on{text-anchor:middle}.on{font-size:11.5px}\n"
	"path{fill:none;stroke-width:1.5}.grid{stroke:var(--grid);stroke-width:1}"
	".line{stroke:var(--rule);stroke-width:1}\n"
	".ra{stroke:var(--ra);stroke-width:2.2}.original{stroke:var(--soft);stroke-dasharray:6 4}"
	".margin{stroke:var(--margin)}.ratio{stroke:var(--ratio)}.cache{stroke:var(--cache)}"
	".area{fill:var(--area);stroke:var(--area-line);stroke-width:1}.off{fill:var(--off)}\n"
	".hover{fill:transparent}.hover:hover{fill:var(--fg);fill-opacity:.06}\n"
	".changed{fill:var(--sign);stroke:var(--sign)}.stayed{fill:var(--bg);stroke:var(--sign)}"
	".refused{stroke:var(--bad);stroke-width:2.6}.stood{fill:var(--stood);stroke:var(--stood)}"
	".reverted{fill:var(--bad);stroke:var(--bad)}.probed{fill:var(--bg);stroke:var(--margin)}\n"
	/* Colours that people with any kind of colour vision tell apart (Okabe and Ito). */
	"rect.c0{fill:#0072b2}rect.c1{fill:#8c6d5a}rect.c2{fill:#e69f00}rect.c3{fill:#009e73}"
	"rect.c4{fill:#b9c04b}rect.c5{fill:#d55e00}rect.c6{fill:#cc79a7}rect.c7{fill:#56b4e9}"
	"rect.c255{fill:var(--rule)}text.on{fill:#000}text.c0,text.c1{fill:#fff}\n"
	"text.c255{fill:var(--fg)}\n"
	"table{border-collapse:collapse;margin:0 0 1.4em;font-size:14px}"
	"caption{text-align:left;font-weight:600;padding:.2em 0}"
	"th,td{padding:.25em 1.4em .25em 0;text-align:left;border-bottom:1px solid var(--grid);"
	"font-variant-numeric:tabular-nums;vertical-align:top}"
	"thead th{color:var(--soft);font-weight:600}tbody th{font-weight:400;white-space:nowrap}\n"
	"@media print{:root{color-scheme:light;--bg:#fff;--fg:#000;--soft:#444;--grid:#ddd;"
	"--rule:#999;--off:#eee;--ra:#0b5cad;--area:#9cc3ea;--area-line:#5b93cc;--cache:#a33b00;"
	"--margin:#5a3fb0;--ratio:#a1125a;--bad:#c21a1a;--stood:#7a5b00;--sign:#0b5cad}"
	"*{-webkit-print-color-adjust:exact;print-color-adjust:exact}"
	"figure,tr{break-inside:avoid}h2{break-after:avoid}body{font-size:10pt}text{font-size:14px}"
	"table{font-size:8.5pt}th,td{padding-right:1em;white-space:nowrap}"
	"td:last-child{white-space:normal}}\n";

static void write_head(const struct page *p)
{
	const struct report *r = p->report;
	FILE *out = p->out;

	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
	      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
	      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
	      "style-src "
	      "'unsafe-inline'\">\n<title>bpfahead on ",
	      out);
	print_escaped(out, r->host);
	fprintf(out, "</title>\n<style>\n%s</style></head>\n<body>\n<h1>bpfahead on ", style);
	print_escaped(out, r->host);
	fprintf(out, "</h1>\n<p class=\"soft\">%s to %s, Linux ",
		time_text(r->from_ns, "%-d %B %Y, %H:%M:%S"),
		time_text(r->to_ns, "%-d %B %Y, %H:%M:%S %Z"));
	print_escaped(out, r->kernel);
	if (r->skipped)
		fprintf(out, ", %u torn record%s left out", r->skipped, r->skipped == 1 ? "" : "s");
	fputs("</p>\n", out);
}

static void write_contents(const struct page *p)
{
	size_t i;

	if (p->nr_devices < 2)
		return;
	fputs("<ul>\n", p->out);
	for (i = 0; i < p->nr_devices; i++) {
		const struct device *d = &p->devices[i];

		fprintf(p->out, "<li><a href=\"#device%zu\">", i + 1);
		print_escaped(p->out, d->label);
		fprintf(p->out, "</a>: %s read, readahead set %u time%s</li>\n",
			bytes_text((double)d->bytes), d->changes, d->changes == 1 ? "" : "s");
	}
	fputs("</ul>\n", p->out);
}

static void write_foot(FILE *out)
{
	fputs("<p class=\"soft\">A class is what the kernel's classifier saw; its margin is the "
	      "lead "
	      "of the winning logit over the second. Of a window that a page fault reads around "
	      "itself, only the page at fault is known to be used, so for memory-mapped files the "
	      "amplification is the most that it can be. Where the curves end, nothing was read. "
	      "Point "
	      "at a curve or at a sign for its figures.</p>\n</body></html>\n",
	      out);
}

int report_write(FILE *out, const struct report *report)
{
	struct page p = {.out = out, .report = report};
	int err = -ENOMEM;
	size_t i;

	if (!sort_records(&p))
		goto free;
	err = 0;
	write_head(&p);
	write_contents(&p);
	if (!p.nr_devices)
		fputs("<p>Nothing was recorded in this time.</p>\n", out);
	for (i = 0; !err && i < p.nr_devices; i++)
		err = write_device(&p, &p.devices[i], i + 1);
	write_foot(out);
free:
	for (i = 0; i < p.nr_devices; i++) {
		free(p.devices[i].records);
		free(p.devices[i].spans);
	}
	free(p.devices);
	free(p.pauses);
	return err;
}
