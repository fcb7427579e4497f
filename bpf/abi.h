/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The contract between the kernel programs and everything in user space: map
 * names, map keys and values, ring-buffer events, and the model format, which
 * is the model file byte for byte. Both sides include this file; it depends on
 * nothing but <linux/types.h>. Structs hold fixed-width fields with explicit
 * padding, and their sizes are asserted, so that a change is seen.
 */
#ifndef BPFAHEAD_ABI_H
#define BPFAHEAD_ABI_H

#include <linux/types.h>

#define BPFAHEAD_ABI_VERSION 1
#define BPFAHEAD_PIN_DIR "/sys/fs/bpf/bpfahead"

#define BDI_SLOTS 256                   /* bdis watched at once; a power of two */
#define POLICY_ROWS_MAX (BDI_SLOTS + 1) /* one of each, and the default one */
#define BDI_NAME_LEN 32                 /* bdi->dev_name: "8:0", "btrfs-1", "0:52-fuseblk" */
#define CPU_MASK_WORDS 16               /* CPUs touched, folded modulo 1,024 */
#define HOPS_MAX 8       /* hop boundaries kept per bdi: a window of at most 8 hops */
#define STREAMS 8        /* recent block streams remembered per CPU and bdi */
#define RA_KB_HARD_MIN 4 /* 0 turns every buffered read into 4 KB I/O */
#define RA_KB_HARD_MAX 65536
#define DEFAULT_POLICY_ID 0ULL /* key of the default row in the policy map; no bdi has id 0 */

#define EVENTS_RING_BYTES 16384
#define WINDOWS_RING_BYTES 32768

/* Totals per bdi. Each belongs to one hook, which alone writes it, and only ever grows. */
#define COUNTER_LIST(X)                                            \
	X(BLOCK_READS, "block_reads") /* block hook */             \
	X(BLOCK_READ_BYTES, "block_read_bytes")                    \
	X(BLOCK_DISTANCE_SECTORS, "block_distance_sectors")        \
	X(BLOCK_JUMPS, "block_jumps")                              \
	X(BLOCK_CONTINUED, "block_continued")                      \
	X(BLOCK_RAHEAD_READS, "block_rahead_reads")                \
	X(BLOCK_WRITES, "block_writes")                            \
	X(LATENCY_READS, "latency_reads") /* completion hook */    \
	X(LATENCY_NS, "latency_ns")                                \
	X(SYNC_CALLS, "sync_calls") /* page_cache_sync_ra */       \
	X(SYNC_PAGES, "sync_pages")                                \
	X(SYNC_HEADS, "sync_heads")                                \
	X(ASYNC_CALLS, "async_calls") /* page_cache_async_ra */    \
	X(ASYNC_PAGES, "async_pages")                              \
	X(ORDER_CALLS, "order_calls") /* page_cache_ra_order */    \
	X(ORDER_PAGES, "order_pages")                              \
	X(ORDER_RA_PAGES, "order_ra_pages")                        \
	X(AROUND_CALLS, "around_calls")                            \
	X(SYNC_JUMPS, "sync_jumps") /* page_cache_sync_ra again */ \
	X(UNUSED_PAGES, "unused_pages")                            \
	X(AROUND_STARTS, "around_starts") /* page_cache_ra_order again */

enum counter_id {
#define X(id, name) COUNTER_##id,
	COUNTER_LIST(X)
#undef X
		NR_COUNTERS
};

#define COUNTERS_MAX 21 /* room for appended counters without moving the structs */

/*
 * Feature ids are ABI: append, never renumber. The third column is the unit:
 * RATIO is a fraction in Q16 (65536 = 1.0), the others are plain integers.
 * Meanings, formulas and value for an empty denominator: features.h.
 */
#define FEATURE_LIST(X)                                          \
	X(AVG_DISTANCE_BYTES, 0, "avg_distance_bytes", PLAIN)    \
	X(JUMP_RATIO, 1, "jump_ratio", RATIO)                    \
	X(AVG_IO_BYTES, 2, "avg_io_bytes", PLAIN)                \
	X(SEQ_RATIO, 3, "seq_ratio", RATIO)                      \
	X(IOPS, 4, "iops", PLAIN)                                \
	X(STREAM_RATIO, 5, "stream_ratio", RATIO)                \
	X(RUN_BYTES, 6, "run_bytes", PLAIN)                      \
	X(RAHEAD_RATIO, 7, "rahead_ratio", RATIO)                \
	X(READ_RATIO, 8, "read_ratio", RATIO)                    \
	X(BYTES_PER_S, 9, "bytes_per_s", PLAIN)                  \
	X(LATENCY_NS, 10, "latency_ns", PLAIN)                   \
	X(ASYNC_SHARE, 16, "async_share", RATIO)                 \
	X(SYNC_PER_S, 17, "sync_per_s", PLAIN)                   \
	X(ASYNC_PER_S, 18, "async_per_s", PLAIN)                 \
	X(AROUND_PER_S, 19, "around_per_s", PLAIN)               \
	X(AVG_REQ_PAGES_Q8, 20, "avg_req_pages_q8", PLAIN)       \
	X(FILL_RATIO, 21, "fill_ratio", RATIO)                   \
	X(RUN_WINDOWS_Q8, 22, "run_windows_q8", PLAIN)           \
	X(MARK_RATIO, 23, "mark_ratio", RATIO)                   \
	X(RA_PAGES, 24, "ra_pages", PLAIN)                       \
	X(AROUND_SHARE, 25, "around_share", RATIO)               \
	X(HEAD_SHARE, 26, "head_share", RATIO)                   \
	X(AVG_WINDOW_PAGES_Q8, 27, "avg_window_pages_q8", PLAIN) \
	X(RUN_PAGES_Q8, 28, "run_pages_q8", PLAIN)               \
	X(USED_RATIO, 29, "used_ratio", RATIO)                   \
	X(JUMP_SHARE, 30, "jump_share", RATIO)

enum feature_id {
#define X(id, value, name, unit) FEATURE_##id = (value),
	FEATURE_LIST(X)
#undef X
};

#define FEATURES_MAX 31

/* Class ids are ABI: append, never renumber. Third column: the classic name shown beside it. */
#define CLASS_LIST(X)                                \
	X(SEQUENTIAL, 0, "sequential", "sequential") \
	X(RANDOM, 1, "random", "random")             \
	X(MIXED, 2, "mixed", "mixed")                \
	X(LONG_RUNS, 3, "long-runs", "mixed")        \
	X(SHORT_RUNS, 4, "short-runs", "mixed")      \
	X(OBJECTS, 5, "objects", "random")           \
	X(PAGES, 6, "pages", "random")               \
	X(SMALL_FILES, 7, "small-files", "sequential")

enum class_id {
#define X(id, value, name, classic) CLASS_##id = (value),
	CLASS_LIST(X)
#undef X
		NR_CLASSES = 8,
	CLASSES_MAX = 16, /* ids the policy map has room for */
	CLASS_NONE = 255,
};

/* Where features come from; a model names the sources it needs. */
enum source {
	SOURCE_BLOCK = 1 << 0,     /* block_bio_queue */
	SOURCE_READAHEAD = 1 << 1, /* page_cache_{sync,async}_ra, page_cache_ra_order */
	SOURCE_LATENCY = 1 << 2,   /* block_rq_complete */
	SOURCES_ALL = 7,
};

/* --- model: one map value, and the file format ------------------------------------------- */

#define MODEL_MAGIC 0x41465042U /* "BPFA" in a little-endian file */
#define MODEL_FORMAT_VERSION 1
#define MODEL_INPUTS_MAX 16
#define MODEL_HIDDEN_MAX 32
#define MODEL_OUTPUTS_MAX 8
#define MODEL_LAYERS_MAX 3 /* up to two hidden layers and the output layer */
#define MODEL_NAME_LEN 32
#define MODEL_WEIGHT_MAX 127
#define MODEL_BIAS_MAX (1 << 30)
#define ACTIVATION_MAX 32767      /* inputs +-, hidden 0.. */
#define LOGIT_ONE 65536           /* logits and margins are Q16 */
#define LOGIT_MAX ((1 << 30) - 1) /* the difference of two still fits a margin */

enum transform {
	TRANSFORM_LINEAR = 0,
	TRANSFORM_LOG2 = 1, /* log2(value + 1) in Q16 before offset and scale */
	NR_TRANSFORMS = 2,
};

/*
 * v = transform(feature); t = clamp((v - offset) >> pre_shift, s32);
 * input = clamp((t * scale + 2^15) >> 16, +-ACTIVATION_MAX)
 */
struct model_input {
	__u16 feature;
	__u8 transform;
	__u8 pre_shift; /* 0..40 */
	__s32 scale;
	__s64 offset;
};
_Static_assert(sizeof(struct model_input) == 16, "file format");

struct model_header {
	__u32 magic;
	__u16 format_version;
	__u16 header_bytes;        /* sizeof(struct model_header) */
	__u32 payload_bytes;       /* what follows the header: exactly what the layer sizes need */
	__u32 required_sources;    /* enum source */
	__u64 checksum;            /* model_checksum() with this field taken as 0 */
	__u64 generation;          /* set by whoever makes the model; tells retrainings apart */
	char name[MODEL_NAME_LEN]; /* NUL-padded */
	__u8 nr_inputs;
	__u8 nr_layers;
	__u8 nr_outputs;
	__u8 reserved0;
	__u8 layer_size[4];  /* outputs of layer 0..nr_layers-1; the last is nr_outputs */
	__u8 layer_shift[4]; /* requantisation shift of each layer, 0..62 */
	__u8 reserved1[4];
	__u8 class_id[MODEL_OUTPUTS_MAX]; /* output -> class id, distinct, < CLASSES_MAX */
	struct model_input inputs[MODEL_INPUTS_MAX];
	__u64 reserved2[5];
};
_Static_assert(sizeof(struct model_header) == 384, "file format");

/*
 * Payload, in 64-bit words, layer by layer, in each layer four neurons
 * (4k .. 4k + 3) at a time. Two values share a word as
 * value[a] + (value[b] << 32), the two's complement sum of two signed lanes,
 * so that one multiply or add serves both. A group of four neurons is: two
 * words of biases (neurons 0 and 1, 2 and 3); two of requantisation
 * multipliers (0..2^31 - 1), the first in the low half; then for each input of
 * the layer, their count rounded up to a multiple of 8, two words of weights.
 * Padding is 0.
 */
#define LAYER_STRIDE(nr_in) (((nr_in) + 7U) & ~7U)
#define LAYER_GROUPS(nr_out) (((nr_out) + 3U) >> 2)
#define GROUP_WORDS(nr_in) (4U + 2U * LAYER_STRIDE(nr_in))
#define LAYER_WORDS(nr_in, nr_out) (LAYER_GROUPS(nr_out) * GROUP_WORDS(nr_in))
#define MODEL_WORDS_MAX                                    \
	(LAYER_WORDS(MODEL_INPUTS_MAX, MODEL_HIDDEN_MAX) + \
	 LAYER_WORDS(MODEL_HIDDEN_MAX, MODEL_HIDDEN_MAX) + \
	 LAYER_WORDS(MODEL_HIDDEN_MAX, MODEL_OUTPUTS_MAX))

struct model {
	struct model_header header;
	__u64 words[MODEL_WORDS_MAX];
};
_Static_assert(MODEL_WORDS_MAX == 968, "file format");
_Static_assert(sizeof(struct model) == 8128, "file format");

enum model_slot { MODEL_ACTING = 0, MODEL_SHADOW = 1, NR_MODEL_SLOTS = 2 };

/* --- configuration: written by user space, distrusted by the kernel programs -------------- */

enum mode {
	MODE_OBSERVE = 0,   /* accumulate, classify, record; decide nothing */
	MODE_RECOMMEND = 1, /* decide and say so; the helper writes nothing */
	MODE_ACT = 2,
	MODE_EMERGENCY = 3, /* stand still; originals are back */
	NR_MODES = 4,
};

/* A part that can be switched off or on; 0 leaves it to its default (loader/defaults.h). */
enum part_switch {
	SWITCH_DEFAULT = 0,
	SWITCH_ON = 1,
	SWITCH_OFF = 2,
};

enum scope {
	SCOPE_MOUNTED = 0, /* bdis of mounted file systems, and those listed */
	SCOPE_LISTED = 1,  /* only bdis whose name is in the map `listed` */
	SCOPE_ALL = 2,
};

/* One value at key 0 of the map `config`. A field of 0 means its default (loader/defaults.h). */
struct config {
	__u32 abi_version;
	__u32 mode;
	__u64 hop_ns;
	__u64 window_ns;
	__u64 stretch_ns; /* a window with few calls grows up to this */
	__u64 idle_ns;    /* silence after which what came before is thrown away */
	__u64 dwell_ns;   /* least time between two changes, and between two events */
	__s32 margin;     /* least logit margin of a confirming window, LOGIT_ONE = 1.0 */
	__u32 confirm;    /* agreeing hops in a row before a change; sure ones count twice */
	__u32 min_calls;  /* fewer calls in a window: abstain */
	__u32 floor_kb;
	__u32 cap_kb;
	__u32 scope;
	__u32 record;    /* 1: a window_record per evaluation into the ring `windows` */
	__u32 jiffy_ns;  /* this kernel's; 0: not known, taken for the longest there is */
	__u64 sample_ns; /* between two samples of a bdi that nobody watches */
	__u8 open_files; /* enum part_switch: open files follow a change */
	__u8 guard;      /* a change that does harm is taken back */
	__u8 probe;      /* neighbouring values are tried */
	__u8 per_file;   /* files get values of their own */
	__u32 reserved[5];
};
_Static_assert(sizeof(struct config) == 112, "map value");

enum clamp {
	CLAMP_NONE = 0,
	CLAMP_NEVER_LOWER = 1, /* max(row, original) */
	CLAMP_NEVER_RAISE = 2, /* min(row, original) */
	/* None, and who wrote the number, in a bdi's own row; the kernel programs ask no further.
	 */
	CLAMP_BY_HAND = 3, /* `bpfahead config`: nobody adjusts it */
	CLAMP_LEARNED = 4, /* the helper's guard or probe, which takes it out when it stops */
};

/* Map `policy`, keyed by bdi id (DEFAULT_POLICY_ID: the default row). ra_kb 0: leave alone. */
struct policy_row {
	__u32 ra_kb[CLASSES_MAX];
	__u8 clamp[CLASSES_MAX];
};
_Static_assert(sizeof(struct policy_row) == 80, "map value");

/* --- what the helper answers: map `applied`, keyed by bdi id, written by user space only --- */

enum applied_status {
	APPLIED_NONE = 0,
	APPLIED_ACCEPTED = 1,    /* accepted_kb is in effect as far as the helper knows */
	APPLIED_RECOMMENDED = 2, /* said, not written (recommend mode) */
	APPLIED_REFUSED = 3,     /* could not be written; again after retry_ns */
	APPLIED_STOOD_BACK = 4,  /* a person changed the value; left alone until resumed */
};

struct applied {
	__u64 sysfs_ino;      /* identity of /sys/class/bdi/NAME for restore */
	__u64 decision_seq;   /* the decision this answers */
	__u64 retry_ns;       /* CLOCK_MONOTONIC */
	__u64 busy_until_ns;  /* the helper's own temporary changes end by then */
	__u64 watch_until_ns; /* until then a sample at every hop */
	__u32 status;
	__u32 accepted_kb;
	__u32 original_kb;    /* the administrator's value; valid if holds_original */
	__u32 holds_original; /* 1: a value of ours is in place of original_kb */
	char name[BDI_NAME_LEN];
};
_Static_assert(sizeof(struct applied) == 88, "map value");

#define APPLIED_MAX 512 /* with every table full, all maps stay below 1 MiB at 2 CPUs */

/* --- per-bdi state: map `bdis`, an array of BDI_SLOTS, written by the kernel programs only -- */

struct snapshot {
	__u64 time_ns;
	__u64 total[COUNTERS_MAX];
};

#define BDI_STAT_LIST(X)                                                         \
	X(windows, "windows evaluated")                                          \
	X(abstained, "windows with too few calls or almost no page-cache reads") \
	X(no_model, "windows without a usable model")                            \
	X(disagreed, "hop and window disagreed")                                 \
	X(low_margin, "margin below the configured one")                         \
	X(restarts, "windows restarted at a change of pattern")                  \
	X(idle, "idle spells thrown away")                                       \
	X(negative, "windows discarded because a total ran backwards")           \
	X(decisions, "decisions")                                                \
	X(events, "events sent")                                                 \
	X(ring_full, "events that found the ring full")                          \
	X(shadow_windows, "windows that the shadow model evaluated")             \
	X(shadow_agreed, "windows on which the shadow agreed")

struct bdi_stats {
#define X(name, text) __u64 name;
	BDI_STAT_LIST(X)
#undef X
};

#define BDI_FS_SEEN (1U << 0)   /* a file system reads through it */
#define BDI_ELIGIBLE (1U << 1)  /* within the configured scope at the last evaluation */
#define BDI_NAMELESS (1U << 2)  /* its name does not fit: never acted upon */
#define BDI_ANNOUNCED (1U << 3) /* the helper has been told of it (EVENT_APPEARED) */
#define BDI_UUID_SEEN (1U << 4) /* fs_uuid has been looked at */

#define FS_UUID_LEN 16 /* super_block.s_uuid */

struct bdi_state {
	__u64 bdi_id;    /* 0: free slot */
	__u64 sysfs_ino; /* kernfs id == st_ino of /sys/class/bdi/NAME/ */
	char name[BDI_NAME_LEN];
	__u64 claim;    /* 1 while a CPU ends a hop here */
	__u64 slot_seq; /* counts owners of this slot */
	__u64 last_seen_ns;
	__u64 hop_deadline_ns;
	__u64 limits_sig;     /* queue limits at the last evaluation; 0 unknown */
	__u64 model_checksum; /* of the model that filled logits */
	__u64 model_generation;
	__u64 decision_seq; /* counts decisions, also when only wanted_kb changed */
	__u64 decided_ns;
	__u64 last_event_ns;
	__u64 evaluated_ns;        /* last window evaluated (or abstained from) */
	__u64 sampled_ns;          /* last sample sent */
	__u64 hidden_ns;           /* so long `objects` is kept while it may hide itself */
	__u8 fs_uuid[FS_UUID_LEN]; /* of the first file system seen on it; zeros: none */
	__u32 sources;             /* enum source: hooks that have spoken for this bdi */
	__u32 flags;
	__u32 ra_kb;     /* at the last evaluation */
	__u32 wanted_kb; /* 0: nothing wanted */
	__u32 nr_hops;   /* boundaries valid in the ring, newest at ring_head */
	__u32 ring_head;
	__u32 confirm;
	__u32 window_calls;
	__u64 window_span_ns;
	__s32 margin;
	__s32 shadow_margin;
	__u8 decided_class;   /* the class in force, CLASS_NONE before the first decision */
	__u8 candidate_class; /* what `confirm` counts for */
	__u8 window_class;    /* last answers */
	__u8 hop_class;
	__u8 previous_hop_class;
	__u8 shadow_class;
	__u8 nr_outputs;
	__u8 limits_changed; /* a queue limit changed and no event has told so */
	__u8 old_class;      /* the class in force before decided_class */
	__u8 model_fault;    /* why the last evaluation had no model: enum model_fault of mlp.h */
	__u8 pad[2];
	__u32 had_pages; /* powers of two that were wanted here: bpf/policy.bpf.h */
	__s32 logits[MODEL_OUTPUTS_MAX];
	__u8 class_of_logit[MODEL_OUTPUTS_MAX];
	__u64 features[FEATURES_MAX]; /* of the last window */
	__u64 cpu_mask[CPU_MASK_WORDS];
	struct bdi_stats stats;
	struct snapshot ring[HOPS_MAX];
};
_Static_assert(sizeof(struct bdi_state) <= 2304, "256 of them beside the rest within 1 MiB");

/* --- ring-buffer events -------------------------------------------------------------------- */

enum event_reason {
	EVENT_DECISION = 1,   /* wanted_kb is unanswered */
	EVENT_FOREIGN = 2,    /* ra_pages is not what was accepted */
	EVENT_RETRY = 3,      /* a refusal's back-off is over */
	EVENT_TABLE_FULL = 4, /* of no bdi: are there originals of devices that have left? */
	EVENT_APPEARED = 5,   /* first window of a bdi begins; again with a UUID */
	EVENT_SAMPLE = 6,     /* a struct sample, not a struct event */
	EVENT_FILE = 7, /* a struct file_event: a file wants another value than file_values has */
};

/* Ring `events`. Levels, not edges: the newest of a bdi is all that counts. */
struct event {
	__u32 abi_version;
	__u32 reason;
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 bdi_id;
	__u64 sysfs_ino;
	char name[BDI_NAME_LEN];
	__u64 decision_seq;
	__u64 model_checksum;
	__u64 model_generation;
	__u32 wanted_kb;
	__u32 ra_kb;        /* bdi->ra_pages when the event was sent */
	__u32 io_opt_bytes; /* queue limits, for telling a kernel reset; 0 unknown */
	__u32 max_sectors;
	__s32 margin;
	__u32 mode;
	__u8 old_class;
	__u8 new_class;
	__u8 limits_changed;
	__u8 nr_inputs;
	__u32 window_calls;
	__u16 input_feature[MODEL_INPUTS_MAX];
	__u8 fs_uuid[FS_UUID_LEN];
	__u64 features[FEATURES_MAX];
};
_Static_assert(sizeof(struct event) == 416, "ring-buffer record");

/*
 * Ring `events`, beside struct event: what the end of a hop knew of a bdi. Sent every
 * config.sample_ns, at each hop while applied.watch_until_ns lies ahead, when a window begins, and
 * at each hop whose class is not the one in force, so that a decision's "before" has been told when
 * it falls. Left out, and counted, while the ring is half full: a decision has the room.
 */
struct sample {
	__u32 abi_version;
	__u32 reason; /* EVENT_SAMPLE */
	__u64 time_ns;
	__u64 bdi_id;
	__u64 sysfs_ino;
	char name[BDI_NAME_LEN];
	__u64 decision_seq;
	__u32 ra_kb;
	__u32 wanted_kb;
	__s32 margin; /* of the window */
	__u32 window_calls;
	__u8 window_class;
	__u8 hop_class;
	__u8 decided_class;
	__u8 pad[5];
	__u64 total[COUNTERS_MAX]; /* since the bdi was first seen; pages of this kernel's size */
};
_Static_assert(sizeof(struct sample) == 264, "ring-buffer record");

/* --- files: maps `files`, `file_values`, `file_stats`, there while config.per_file is on ------ */

#define FILES_MAX 512 /* watched at once, a power of two; as many have values of their own */
#define FILE_WAYS 4   /* places that a file may have; a power of two */
#define FILE_HOPS 5   /* hop boundaries kept: the default window's */

/*
 * A file's value is its own only from this factor to the device's on, either way: neighbours among
 * the values worth trying lie 2 apart, and less gains less than what re-arming a file is worth.
 */
#define FILE_FACTOR 2

#define FILE_BYTES_MIN (4 << 20)      /* smaller ones are cached before a window is full */
#define FILE_EVENT_GAP_NS 20000000ULL /* least time between two events of files */

/* A file for as long as it exists: an inode number that comes again has another generation. */
struct file_key {
	__u64 ino;
	__u32 s_dev; /* super_block.s_dev, major << 20 | minor: what mountinfo shows, not stat() */
	__u32 generation;
};
_Static_assert(sizeof(struct file_key) == 16, "map key");

/* Totals kept of a file: those of the readahead layer. */
#define FILE_COUNTER_FIRST COUNTER_SYNC_CALLS
#define FILE_COUNTERS (COUNTERS_MAX - FILE_COUNTER_FIRST)

struct file_snapshot {
	__u64 time_ns;
	__u32 total[FILE_COUNTERS];
};

/* Map `files`, an array, written by the kernel programs only. */
struct file_state {
	__u64 bdi_id; /* 0: free */
	struct file_key key;
	__u64 claim;      /* 1 while a CPU ends a hop here, or gives the place away */
	__u64 due;        /* jiffy from which on a call looks at the clock again */
	__u64 seen_jiffy; /* of the last call */
	__u64 hop_deadline_ns;
	__u64 decided_ns;
	__u64 last_event_ns;
	__u64 model_checksum; /* of the model that was asked last */
	__u32 wanted_kb;      /* of its own; 0: the device's value serves it */
	__u32 device_kb;      /* at the last decision */
	__u32 ra_kb;          /* of the open file whose call ended the last hop */
	__u32 window_calls;
	__s32 margin;
	__u32 nr_hops; /* boundaries valid, newest first */
	__u32 confirm;
	__u8 decided_class; /* CLASS_NONE before the first decision */
	__u8 candidate_class;
	__u8 window_class;
	__u8 previous_hop_class;
	__u8 old_class;
	__u8 pad[7];
	__u32 total[FILE_COUNTERS]; /* modulo 2^32; all CPUs add to them */
	struct file_snapshot ring[FILE_HOPS];
};
_Static_assert(sizeof(struct file_state) <= 456, "512 of them within 228 KiB");

/* What the helper has given a file: map `file_values`, written by user space only. */
struct file_value {
	__u64 bdi_id;    /* another one: left over from a file system that has left */
	__u32 ra_kb;     /* 0: nothing; the device's holds */
	__u32 readers;   /* descriptors it was given to */
	__u64 time_ns;   /* CLOCK_MONOTONIC */
	__u64 retry_ns;  /* asked_kb is not asked for again until then */
	__u32 device_kb; /* the device's at that time */
	__u32 refusals;  /* in a row: nobody to give asked_kb to */
	__u64 sysfs_ino; /* of the bdi */
	char name[BDI_NAME_LEN];
	__u8 class_id;
	__u8 pad[3];
	__u32 asked_kb;
};
_Static_assert(sizeof(struct file_value) == 88, "map value");

#define FILE_STAT_LIST(X)                                                      \
	X(admitted, "files given a place")                                     \
	X(table_full, "calls of files without a place: all are busy")          \
	X(windows, "windows evaluated")                                        \
	X(negative, "windows discarded because a total ran backwards")         \
	X(model_invalid, "evaluations that found no valid model")              \
	X(model_sources, "evaluations whose model needs more than this layer") \
	X(events, "events sent")                                               \
	X(ring_full, "events that found the ring full")

struct file_stats {
#define X(name, text) __u64 name;
	FILE_STAT_LIST(X)
#undef X
};

/* Ring `events`, beside struct event. */
struct file_event {
	__u32 abi_version;
	__u32 reason; /* EVENT_FILE */
	__u64 time_ns;
	__u64 bdi_id;
	__u64 sysfs_ino;
	char name[BDI_NAME_LEN];
	struct file_key key;
	__u64 model_checksum;
	__u32 wanted_kb; /* of its own; 0: it is to follow its device again */
	__u32 ra_kb;     /* of the open file whose call ended the hop */
	__u32 device_kb;
	__s32 margin;
	__u32 window_calls;
	__u8 old_class;
	__u8 new_class;
	__u8 pad[2];
};
_Static_assert(sizeof(struct file_event) == 112, "ring-buffer record");

/* Ring `windows`, when config.record is set: one per evaluation, window and last hop. */
struct window_part {
	__u64 span_ns;
	__u64 calls;
	__u64 features[FEATURES_MAX];
	__s32 logits[MODEL_OUTPUTS_MAX];
	__s32 margin;
	__u8 class_id; /* the model's answer; CLASS_NONE: abstained or no model */
	__u8 pad[3];
};

struct window_record {
	__u32 abi_version;
	__u32 ra_kb;
	__u64 time_ns;
	__u64 bdi_id;
	__u64 sysfs_ino;
	__u64 model_checksum;
	char name[BDI_NAME_LEN];
	struct window_part window;
	struct window_part hop;
};
_Static_assert(sizeof(struct window_record) == 680, "ring-buffer record");

/* --- global statistics: map `stats`, per CPU, summed by the reader --------------------------- */

#define GLOBAL_STAT_LIST(X)                                                       \
	X(slots_taken, "bdis given a slot")                                       \
	X(slots_evicted, "idle bdis that made room")                              \
	X(table_full, "reads not accounted: no slot free")                        \
	X(alloc_busy, "reads not accounted: another CPU was giving a slot")       \
	X(unknown_bdev, "raw device reads before its bdi was known")              \
	X(scratch_busy, "hop ends put off: this CPU was ending another hop")      \
	X(claim_busy, "hop ends left to another CPU")                             \
	X(model_invalid, "evaluations that found an invalid model")               \
	X(model_sources, "evaluations whose model needs a source that is silent") \
	X(windows_dropped, "window records that found the ring full")             \
	X(name_too_long, "bdis left alone: name does not fit")                    \
	X(samples_dropped, "samples left out: the ring was half full")

struct global_stats {
#define X(name, text) __u64 name;
	GLOBAL_STAT_LIST(X)
#undef X
};

/* --- map names (also the pin names) ---------------------------------------------------------- */

#define MAP_LIST(X)  \
	X(bdis)      \
	X(counters)  \
	X(bdi_slots) \
	X(bdevs)     \
	X(models)    \
	X(config)    \
	X(policy)    \
	X(listed)    \
	X(applied)   \
	X(events)    \
	X(windows)   \
	X(stats)     \
	X(scratch)   \
	X(allocator)

/* Of the object that tells files apart; loaded, pinned and removed with it. */
#define PER_FILE_MAP_LIST(X) \
	X(files)             \
	X(file_values)       \
	X(file_stats)

#endif /* BPFAHEAD_ABI_H */
