// SPDX-License-Identifier: GPL-2.0-only
/*
 * strip-lines FILE.bpf.o - drop the line information from a BPF object
 *
 * llvm-strip takes the DWARF away, but .BTF.ext keeps 16 bytes per source line
 * for the verifier's log: a third of an object that is to live on small hosts.
 * Function information and CO-RE relocations stay. Layout of .BTF.ext:
 * Documentation/bpf/btf.rst.
 */
#include <err.h>
#include <fcntl.h>
#include <gelf.h>
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

static void strip_lines(Elf_Data *data)
{
	struct btf_ext_header h;
	char *body;

	if (data->d_size < sizeof(h))
		errx(1, ".BTF.ext is too short");
	memcpy(&h, data->d_buf, sizeof(h));
	if (h.magic != 0xeb9f || h.hdr_len < sizeof(h) || h.hdr_len > data->d_size ||
	    (uint64_t)h.line_info_off + h.line_info_len > data->d_size - h.hdr_len ||
	    (uint64_t)h.core_relo_off + h.core_relo_len > data->d_size - h.hdr_len ||
	    h.core_relo_off < h.line_info_off)
		errx(1, ".BTF.ext is not laid out as functions, lines, relocations");
	body = (char *)data->d_buf + h.hdr_len;
	memmove(body + h.line_info_off, body + h.core_relo_off, h.core_relo_len);
	h.core_relo_off = h.line_info_off;
	h.line_info_len = 0;
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
