// SPDX-License-Identifier: GPL-2.0-only
/*
 * The folios of one file that one process' readahead brings into the page cache, and why a window
 * of readahead falls back from large folios to single pages (page_cache_ra_order() in
 * mm/readahead.c): a page of it is in the cache already (-EEXIST), or a folio is not charged to the
 * control group
 * (-ENOMEM). The fallback passes over pages that are there, so fewer come than were left. A charge
 * that fails has reclaimed twice (try_charge_memcg() with __GFP_NORETRY: once, then with the CPUs'
 * stocks drained); the one of a folio that collides with a page has done so once at most.
 *
 * The reader has one thread, so nothing here is counted by two CPUs at once.
 */
#define CORE_PER_FILE
#include "../../bpf/core.bpf.h"
#include "folios.h"

char LICENSE[] SEC("license") = "GPL";

enum pageflags {
	PG_head = 6, /* moves between releases: always through bpf_core_enum_value() */
};

typedef struct {
	unsigned long f;
} CORE memdesc_flags_t;

struct folio {
	memdesc_flags_t flags;
	struct address_space *mapping;
	unsigned long _flags_1; /* its lowest byte is the order, since 6.6 */
} CORE;

struct folio___plain { /* before 6.18 */
	unsigned long flags;
} CORE;

struct folio___byte { /* before 6.6 */
	unsigned char _folio_order;
} CORE;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct folios);
} folios SEC(".maps");

static __always_inline struct folios *of_reader(void)
{
	__u32 zero = 0;
	struct folios *f = bpf_map_lookup_elem(&folios, &zero);

	return f && bpf_get_current_pid_tgid() >> 32 == f->tgid ? f : NULL;
}

static __always_inline struct folios *of_file(struct inode *inode)
{
	struct folios *f = of_reader();

	return f && inode->i_ino == f->ino && inode->i_sb->s_dev == f->dev ? f : NULL;
}

/* The window is over, and all that it wanted has been asked for. */
static __always_inline void end_window(struct folios *f)
{
	if (f->rest && f->came < f->rest)
		f->in_the_way++;
	f->asked = 0;
	f->rest = 0;
}

static __always_inline __u32 order_of(struct folio *folio)
{
	struct folio___plain *plain = (struct folio___plain *)folio;
	struct folio___byte *byte = (struct folio___byte *)folio;
	unsigned long flags;

	if (bpf_core_field_exists(folio->flags.f))
		flags = folio->flags.f;
	else
		flags = plain->flags;
	if (!(flags >> bpf_core_enum_value(enum pageflags, PG_head) & 1))
		return 0;
	if (bpf_core_field_exists(byte->_folio_order))
		return byte->_folio_order;
	return folio->_flags_1 & 0xff;
}

SEC("tp_btf/mm_filemap_add_to_page_cache")
int BPF_PROG(folio_entered, struct folio *folio)
{
	struct folios *f = of_file(folio->mapping->host);
	__u32 order;

	if (!f)
		return 0;
	order = order_of(folio);
	if (order < FOLIO_ORDERS)
		f->entered[order]++;
	f->came++;
	f->reclaims = 0;
	return 0;
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_end")
int BPF_PROG(group_reclaimed)
{
	struct folios *f = of_reader();

	if (f)
		f->reclaims++;
	return 0;
}

/* From here on 6.18 only. */

SEC("tp_btf/page_cache_sync_ra")
int BPF_PROG(sync_readahead, struct inode *inode)
{
	struct folios *f = of_file(inode);

	if (f)
		end_window(f);
	return 0;
}

SEC("tp_btf/page_cache_async_ra")
int BPF_PROG(async_readahead, struct inode *inode)
{
	struct folios *f = of_file(inode);

	if (f)
		end_window(f);
	return 0;
}

SEC("tp_btf/page_cache_ra_order")
int BPF_PROG(window_begins, struct inode *inode)
{
	struct folios *f = of_file(inode);

	if (!f)
		return 0;
	end_window(f);
	f->windows++;
	f->asked = 1;
	f->reclaims = 0;
	return 0;
}

SEC("tp_btf/page_cache_ra_unbounded")
int BPF_PROG(single_pages, struct inode *inode, unsigned long index, unsigned long nr_to_read)
{
	struct folios *f = of_file(inode);

	if (!f || !f->asked)
		return 0;
	f->fell_back++;
	if (f->reclaims > 1)
		f->uncharged++;
	f->asked = 0;
	f->rest = nr_to_read;
	f->came = 0;
	return 0;
}
