// SPDX-License-Identifier: GPL-2.0-only
/* A calibration as text, as a picture and as JSON. */
#include <math.h>
#include <string.h>

#include "calibrate.h"
#include "host.h"
#include "markup.h"
#include "names.h"

#define BAR_WIDTH 40

static const char *gap_text(enum calibrate_gap gap)
{
	switch (gap) {
	case GAP_FLAT:
		return "the curve is flat";
	case GAP_FALLING:
		return "the curve has fallen";
	case GAP_BOUND:
		return "the bound on time was reached";
	case GAP_ROOM:
		return "too little room";
	case GAP_NONE:
	case GAP_UNUSED:
		break;
	}
	return "";
}

static double best_of(const struct calibrate_result *r, unsigned int pattern)
{
	double best = 0;
	unsigned int v;

	for (v = 0; v < CALIBRATE_VALUES; v++)
		best = fmax(best, r->cell[pattern][v].typical);
	return best;
}

/* Classes whose value a pattern tells. */
static const struct {
	unsigned int class_id, pattern;
} told_by[] = {
	{CLASS_SEQUENTIAL, CALIBRATE_SCAN},    {CLASS_SMALL_FILES, CALIBRATE_FILES},
	{CLASS_SHORT_RUNS, CALIBRATE_RUN_64K}, {CLASS_LONG_RUNS, CALIBRATE_RUN_256K},
	{CLASS_LONG_RUNS, CALIBRATE_RUN_1M},   {CLASS_OBJECTS, CALIBRATE_OBJECT_16K},
	{CLASS_OBJECTS, CALIBRATE_OBJECT_64K}, {CLASS_PAGES, CALIBRATE_PAGE},
};

/* The class that takes this value from this pattern, or NULL. */
static const char *chosen_for(const struct calibrate_choice *choice, unsigned int pattern,
			      unsigned int kb)
{
	size_t i;

	for (i = 0; i < sizeof(told_by) / sizeof(told_by[0]); i++)
		if (told_by[i].pattern == pattern && choice[told_by[i].class_id].measured &&
		    (choice[told_by[i].class_id].kb == kb ||
		     choice[told_by[i].class_id].kb + page_kb() == kb)) /* for objects */
			return class_name(told_by[i].class_id);
	return NULL;
}

/* --- text ---------------------------------------------------------------------------------------
 */

static void print_cell(FILE *out, const struct calibrate_cell *cell, unsigned int kb, double best,
		       const char *chosen)
{
	int bar;

	if (!cell->repeats) {
		if (cell->gap != GAP_UNUSED)
			fprintf(out, "  %5u  not measured: %s\n", kb, gap_text(cell->gap));
		return;
	}
	bar = (int)lround(cell->typical / best * BAR_WIDTH);
	fprintf(out, "  %5u  %8.2f MB/s", kb, cell->typical / 1e6);
	if (cell->amplification > 0)
		fprintf(out, "  x%-7.2f", cell->amplification);
	else
		fprintf(out, "  %-8s", "");
	if (cell->repeats > 1)
		fprintf(out, " +-%4.1f %%", cell->spread * 100);
	else
		fprintf(out, " %8s", "");
	fprintf(out, "  %.*s%s%s\n", bar, "########################################",
		chosen ? "  <- " : "", chosen ? chosen : "");
}

void calibrate_print_text(FILE *out, const struct calibrate_about *about,
			  const struct calibrate_result *r,
			  const struct calibrate_choice choice[NR_CLASSES])
{
	unsigned int p, v, id;

	fprintf(out, "%s, %s in %s\n%s, kernel %s, %.0f s, a file of %llu MB, read_ahead_kb %u\n",
		about->device, about->fstype, about->directory, about->date, about->kernel,
		about->seconds, about->file_bytes >> 20, about->original_kb);
	if (about->warning)
		fprintf(out, "NOTE: %s\n", about->warning);
	for (p = 0; p < NR_CALIBRATE_PATTERNS; p++) {
		double best = best_of(r, p);

		fprintf(out, "\n%s: %s", calibrate_patterns[p].name, calibrate_patterns[p].text);
		if (r->noise[p] > 0)
			fprintf(out, "; noise %.1f %%", r->noise[p] * 100);
		fprintf(out, "\n     KB    asked for     device/asked\n");
		for (v = 0; v < CALIBRATE_VALUES; v++)
			print_cell(out, &r->cell[p][v], calibrate_ladder[v], best,
				   chosen_for(choice, p, calibrate_ladder[v]));
	}
	fprintf(out, "\n%-12s %6s  %-12s %s\n", "class", "KB", "clamp", "why");
	for (id = 0; id < NR_CLASSES; id++)
		fprintf(out, "%-12s %6u  %-12s %s\n", class_name(id), choice[id].kb,
			clamp_name(choice[id].clamp), choice[id].why);
}

/* --- SVG ----------------------------------------------------------------------------------------
 */

#define WIDTH 930
#define PANEL_W 390
#define PANEL_H 190
#define GAP_X 60
#define GAP_Y 62
#define LEFT 60
#define TOP 90
#define PANELS (NR_CALIBRATE_PATTERNS - 1) /* CALIBRATE_QUEUED has one value, and no curve */
#define HEIGHT (TOP + (PANELS + 1) / 2 * (PANEL_H + GAP_Y) + 10)
#define CURVE_COLOUR "#1f5fa8"
#define CHOSEN_COLOUR "#c4570a"

struct panel {
	double x, y, most; /* left, top, MB/s at the top */
};

static double x_of(const struct panel *panel, double kb)
{
	double low = log2(calibrate_ladder[0]), high = log2(calibrate_ladder[CALIBRATE_VALUES - 1]);

	return panel->x + 8 + (log2(kb) - low) / (high - low) * (PANEL_W - 16);
}

static double y_of(const struct panel *panel, double mb_per_s)
{
	return panel->y + PANEL_H - mb_per_s / panel->most * PANEL_H;
}

/* 1, 2 or 5 times a power of ten: at most five lines. */
static double grid_step(double most)
{
	static const double steps[] = {1, 2, 5, 10};
	double power = pow(10, floor(log10(most / 5)));
	unsigned int i;

	for (i = 0; i < 3 && most / (steps[i] * power) > 5; i++)
		;
	return steps[i] * power;
}

static void print_axes(FILE *out, const struct panel *panel)
{
	double step = grid_step(panel->most), at;
	unsigned int v;

	for (at = 0; at <= panel->most; at += step)
		fprintf(out,
			"<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>\n"
			"<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\" "
			"font-size=\"11\">%g</text>\n",
			panel->x, y_of(panel, at), panel->x + PANEL_W, y_of(panel, at),
			panel->x - 5, y_of(panel, at) + 4, at);
	for (v = 0; v < CALIBRATE_VALUES; v++)
		fprintf(out,
			"<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" "
			"font-size=\"11\">%u</text>\n",
			x_of(panel, calibrate_ladder[v]), panel->y + PANEL_H + 15,
			calibrate_ladder[v]);
	fprintf(out,
		"<rect x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%d\" fill=\"none\" "
		"stroke=\"#888\"/>\n",
		panel->x, panel->y, PANEL_W, PANEL_H);
}

/* @nr: counts panels, from the left and the top */
static void print_panel(FILE *out, const struct calibrate_result *r, unsigned int p,
			unsigned int nr, const struct calibrate_choice *choice)
{
	const struct calibrate_pattern_info *info = &calibrate_patterns[p];
	struct panel panel = {.x = LEFT + (nr % 2) * (PANEL_W + GAP_X),
			      .y = TOP + nr / 2 * (PANEL_H + GAP_Y),
			      .most = best_of(r, p) / 1e6 * 1.2};
	const char *chosen;
	unsigned int v, n = 0;

	fprintf(out, "<g id=\"%s\">\n<text x=\"%.1f\" y=\"%.1f\">", info->name, panel.x,
		panel.y - 8);
	print_escaped(out, info->name);
	fputs(": ", out);
	print_escaped(out, info->text);
	fputs("</text>\n", out);
	if (panel.most <= 0) {
		fprintf(out,
			"<text x=\"%.1f\" y=\"%.1f\" fill=\"#888\">not measured</text>\n</g>\n",
			panel.x + 10, panel.y + 30);
		return;
	}
	print_axes(out, &panel);
	for (v = 0; v < CALIBRATE_VALUES; v++) {
		const struct calibrate_cell *cell = &r->cell[p][v];

		if (!cell->repeats)
			continue;
		fprintf(out, "%s%.1f,%.1f",
			n++ ? " " :
			      "<polyline fill=\"none\" stroke=\"" CURVE_COLOUR
			      "\" stroke-width=\"1.5\" points=\"",
			x_of(&panel, calibrate_ladder[v]), y_of(&panel, cell->typical / 1e6));
	}
	fputs("\"/>\n", out);
	for (v = 0; v < CALIBRATE_VALUES; v++) {
		const struct calibrate_cell *cell = &r->cell[p][v];
		double x = x_of(&panel, calibrate_ladder[v]), y, least, greatest;
		unsigned int i;

		if (!cell->repeats)
			continue;
		y = y_of(&panel, cell->typical / 1e6);
		least = greatest = cell->rate[0];
		for (i = 1; i < cell->repeats; i++) {
			least = fmin(least, cell->rate[i]);
			greatest = fmax(greatest, cell->rate[i]);
		}
		greatest = fmin(greatest, panel.most * 1e6);
		chosen = chosen_for(choice, p, calibrate_ladder[v]);
		fprintf(out,
			"<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" "
			"stroke=\"" CURVE_COLOUR
			"\"/>\n<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%d\" fill=\"%s\">"
			"<title>%u KB: %.2f MB/s, %.2f read per byte</title></circle>\n",
			x, y_of(&panel, greatest / 1e6), x, y_of(&panel, least / 1e6), x, y,
			chosen ? 5 : 3, chosen ? CHOSEN_COLOUR : CURVE_COLOUR, calibrate_ladder[v],
			cell->typical / 1e6, cell->amplification);
		if (chosen)
			fprintf(out,
				"<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" "
				"font-size=\"11\" fill=\"" CHOSEN_COLOUR "\">%s</text>\n",
				fmin(fmax(x, panel.x + 36), panel.x + PANEL_W - 36),
				y + (y > panel.y + PANEL_H - 24 ? -10 : 18), chosen);
	}
	fputs("</g>\n", out);
}

void calibrate_print_svg(FILE *out, const struct calibrate_about *about,
			 const struct calibrate_result *r,
			 const struct calibrate_choice choice[NR_CLASSES])
{
	unsigned int p, nr = 0;

	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
		"font-family=\"sans-serif\" font-size=\"13\">\n<title>Calibration of ",
		WIDTH, HEIGHT);
	print_escaped(out, about->device);
	fputs("</title>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
	      "<text x=\"20\" y=\"24\" font-size=\"14\">Calibration of ",
	      out);
	print_escaped(out, about->device);
	fprintf(out,
		", %s, kernel %s</text>\n<text x=\"20\" y=\"44\" fill=\"#444\">MB/s asked for, by "
		"readahead in KB; <tspan fill=\"" CHOSEN_COLOUR
		"\">what the policy takes</tspan>; bars: least to greatest of the repeats</text>\n",
		about->date, about->kernel);
	for (p = 0; p < NR_CALIBRATE_PATTERNS; p++)
		if (p != CALIBRATE_QUEUED)
			print_panel(out, r, p, nr++, choice);
	fputs("</svg>\n", out);
}

/* --- JSON ---------------------------------------------------------------------------------------
 */

static cJSON *cell_json(const struct calibrate_cell *cell, unsigned int kb)
{
	cJSON *object = cJSON_CreateObject(), *rates;
	unsigned int i;

	cJSON_AddNumberToObject(object, "kb", kb);
	if (!cell->repeats) {
		cJSON_AddStringToObject(object, "not_measured", gap_text(cell->gap));
		return object;
	}
	cJSON_AddNumberToObject(object, "bytes_per_s", round(cell->typical));
	cJSON_AddNumberToObject(object, "spread", cell->spread);
	if (cell->amplification > 0)
		cJSON_AddNumberToObject(object, "amplification", cell->amplification);
	rates = cJSON_AddArrayToObject(object, "repeats");
	for (i = 0; i < cell->repeats; i++)
		cJSON_AddItemToArray(rates, cJSON_CreateNumber(round(cell->rate[i])));
	return object;
}

cJSON *calibrate_json(const struct calibrate_about *about, const struct calibrate_result *r,
		      const struct calibrate_choice choice[NR_CLASSES])
{
	cJSON *root = cJSON_CreateObject(), *list, *object, *values;
	unsigned int p, v, id;

	cJSON_AddStringToObject(root, "device", about->device);
	cJSON_AddStringToObject(root, "directory", about->directory);
	cJSON_AddStringToObject(root, "fstype", about->fstype);
	cJSON_AddStringToObject(root, "date", about->date);
	cJSON_AddStringToObject(root, "kernel", about->kernel);
	cJSON_AddNumberToObject(root, "seconds", about->seconds);
	cJSON_AddNumberToObject(root, "file_bytes", (double)about->file_bytes);
	cJSON_AddNumberToObject(root, "original_kb", about->original_kb);
	if (about->warning)
		cJSON_AddStringToObject(root, "warning", about->warning);
	list = cJSON_AddArrayToObject(root, "patterns");
	for (p = 0; p < NR_CALIBRATE_PATTERNS; p++) {
		object = cJSON_CreateObject();
		cJSON_AddStringToObject(object, "name", calibrate_patterns[p].name);
		cJSON_AddNumberToObject(object, "run_bytes", calibrate_patterns[p].run_bytes);
		cJSON_AddNumberToObject(object, "noise", r->noise[p]);
		values = cJSON_AddArrayToObject(object, "values");
		for (v = 0; v < CALIBRATE_VALUES; v++)
			if (r->cell[p][v].gap != GAP_UNUSED)
				cJSON_AddItemToArray(values, cell_json(&r->cell[p][v],
								       calibrate_ladder[v]));
		cJSON_AddItemToArray(list, object);
	}
	list = cJSON_AddObjectToObject(root, "policy");
	for (id = 0; id < NR_CLASSES; id++) {
		object = cJSON_AddObjectToObject(list, class_name(id));
		cJSON_AddNumberToObject(object, "kb", choice[id].kb);
		cJSON_AddStringToObject(object, "clamp", clamp_name(choice[id].clamp));
		cJSON_AddBoolToObject(object, "measured", choice[id].measured);
		cJSON_AddStringToObject(object, "why", choice[id].why);
	}
	return root;
}
