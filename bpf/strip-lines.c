// SPDX-License-Identifier: GPL-2.0-only
/*
 * strip-lines FILE.bpf.o - keep one line of line information per function
 *
 * llvm-strip takes the DWARF away, but .BTF.ext keeps 16 bytes per source line
 * for the verifier's log: a third of an object that is to live on small hosts.
 * The kernel wants all functions to have a first line or none (check_btf_line()
 * in kernel/bpf/verifier.c), and libbpf warns of none. Function information and
 * CO-RE relocations stay. Layout of .BTF.ext: Documentation/bpf/btf.rst.
 */
#include <err.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

struct btf_ext_header {
	uint16_t magic;
	uint8_t version, flags;
	uint32_t hdr_len;
	uint32_t func_info_off, func_info_len;
	uint32_t line_info_off, line_info_len;
	uint32_t core_relo_off, core_relo_len;
};

struct section_info { /* records of one section follow; both kinds start with the offset */
	uint32_t name;
	uint32_t nr;
};

static uint32_t word(const char *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

/* Is there a function at this offset of this section? */
static bool starts_function(const char *funcs, uint32_t length, uint32_t section, uint32_t offset)
{
	uint32_t size = word(funcs), i;
	const char *p = funcs + 4;

	while (p + sizeof(struct section_info) <= funcs + length) {
		struct section_info info;

		memcpy(&info, p, sizeof(info));
		p += sizeof(info);
		for (i = 0; i < info.nr; i++, p += size)
			if (info.name == section && word(p) == offset)
				return true;
	}
	return false;
}

/* Filters the records in place. Returns the new length. */
static uint32_t filter_lines(char *lines, uint32_t length, const char *funcs, uint32_t funcs_length)
{
	uint32_t size = word(lines), i, nr;
	char *in = lines + 4, *out = in, *end = lines + length;

	while (in + sizeof(struct section_info) <= end) {
		char *header = out;
		struct section_info info;

		memcpy(&info, in, sizeof(info));
		in += sizeof(info);
		out += sizeof(info);
		for (i = nr = 0; i < info.nr; i++, in += size) {
			if (in + size > end)
				errx(1, ".BTF.ext: line information is cut short");
			if (!starts_function(funcs, funcs_length, info.name, word(in)))
				continue;
			memmove(out, in, size);
			out += size;
			nr++;
		}
		info.nr = nr;
		memcpy(header, &info, sizeof(info));
	}
	return out - lines;
}

static void strip_lines(Elf_Data *data)
{
	struct btf_ext_header h;
	char *body;

	if (data->d_size < sizeof(h))
		errx(1, ".BTF.ext is too short");
	memcpy(&h, data->d_buf, sizeof(h));
	if (h.magic != 0xeb9f || h.hdr_len < sizeof(h) || h.hdr_len > data->d_size ||
	    (uint64_t)h.func_info_off + h.func_info_len > h.line_info_off ||
	    (uint64_t)h.line_info_off + h.line_info_len > h.core_relo_off ||
	    (uint64_t)h.core_relo_off + h.core_relo_len > data->d_size - h.hdr_len ||
	    h.func_info_len < 4 || h.line_info_len < 4)
		errx(1, ".BTF.ext is not laid out as functions, lines, relocations");
	body = (char *)data->d_buf + h.hdr_len;
	h.line_info_len = filter_lines(body + h.line_info_off, h.line_info_len,
				       body + h.func_info_off, h.func_info_len);
	memmove(body + h.line_info_off + h.line_info_len, body + h.core_relo_off, h.core_relo_len);
	h.core_relo_off = h.line_info_off + h.line_info_len;
	memcpy(data->d_buf, &h, sizeof(h));
	data->d_size = h.hdr_len + h.core_relo_off + h.core_relo_len;
	elf_flagdata(data, ELF_C_SET, ELF_F_DIRTY);
}

int main(int argc, char **argv)
{
	Elf_Scn *section = NULL;
	size_t names;
	Elf *elf;
	int fd;

	if (argc != 2)
		errx(2, "usage: strip-lines FILE.bpf.o");
	elf_version(EV_CURRENT);
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", argv[1]);
	elf = elf_begin(fd, ELF_C_RDWR, NULL);
	if (!elf || elf_getshdrstrndx(elf, &names))
		errx(1, "%s: %s", argv[1], elf_errmsg(-1));
	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr header;
		const char *name;

		if (!gelf_getshdr(section, &header))
			errx(1, "%s: %s", argv[1], elf_errmsg(-1));
		name = elf_strptr(elf, names, header.sh_name);
		if (name && !strcmp(name, ".BTF.ext"))
			strip_lines(elf_getdata(section, NULL));
	}
	if (elf_update(elf, ELF_C_WRITE) < 0)
		errx(1, "%s: %s", argv[1], elf_errmsg(-1));
	elf_end(elf);
	return close(fd) ? 1 : 0;
}
