#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# image.sh FILE - the ext4 image that every lane of the proof gets a copy of: large and small files,
# a RocksDB, an SQLite and a PostgreSQL database. Each is several times what its readers may cache, and
# mostly zeros, which take no memory where it lies in zram.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
trap "exit 1" ERR
need fio mkfs.ext4 db_bench sqlite3
out=$1
pg_bin=$(echo /usr/lib/postgresql/*/bin)
[ -x "$pg_bin/initdb" ] || die 'no PostgreSQL'

rm -f "$out.part"
fallocate -l 11800M "$out.part" || die "no space for $out"
attach_loop "$out.part"
make_fs "$LOOP" ext4
chmod 755 "$T" "$MNT" # PostgreSQL's own user goes through

fill_file "$MNT/big" 2560
for ((i = 0; i < 32; i++)); do fill_file "$MNT/s.$i" 32; done
for set in '64k 8192' '1m 512'; do
	read -r size number <<<"$set"
	mkdir "$MNT/files$size"
	# shellcheck disable=SC2016 # for fio
	fio --thread --name=make --directory="$MNT/files$size" --filename_format='f$filenum' --nrfiles="$number" \
		--filesize="$size" --rw=read --bs="$size" --zero_buffers --create_only=1 --output="$T/fio.log" ||
		die "files of $size: $(tail -1 "$T/fio.log")"
done

mkdir "$MNT/rocksdb"
db_bench --db="$MNT/rocksdb" --benchmarks=fillseq --num=2400000 --value_size=400 --compression_type=none --compression_ratio=0.1 \
	--disable_wal=1 --seed=1 >"$T/rocksdb.log" 2>&1 || die "db_bench: $(tail -1 "$T/rocksdb.log")"

sqlite3 "$MNT/sqlite.db" 'pragma page_size = 4096; pragma journal_mode = off; pragma synchronous = off;
	create table t (id integer primary key, v blob);
	with recursive n (i) as (select 1 union all select i + 1 from n where i < 2000000)
	insert into t select i, zeroblob(400) from n;' >"$T/sqlite.log" 2>&1 ||
	die "sqlite3: $(tail -1 "$T/sqlite.log")"

mkdir "$MNT/pg"
chown postgres: "$MNT/pg"
as_postgres() { setpriv --reuid postgres --regid postgres --clear-groups -- "$@" >>"$T/pg.log" 2>&1; }
: >"$T/pg.log"
as_postgres "$pg_bin/initdb" -D "$MNT/pg/data" --no-sync -A trust || die "initdb: $(tail -1 "$T/pg.log")"
cat >>"$MNT/pg/data/postgresql.conf" <<-'CONF'
	listen_addresses = ''
	unix_socket_directories = '..'
	# The page cache does the work, and readahead with it.
	shared_buffers = 16MB
	max_parallel_workers_per_gather = 0
	autovacuum = off
	fsync = off
	max_wal_size = 256MB
	wal_level = minimal
	max_wal_senders = 0
CONF
as_postgres "$pg_bin/pg_ctl" -D "$MNT/pg/data" -w start || die "pg_ctl: $(tail -1 "$T/pg.log")"
as_postgres "$pg_bin/pgbench" -h "$MNT/pg" -i -s 60 postgres || die "pgbench: $(tail -1 "$T/pg.log")"
as_postgres "$pg_bin/psql" -h "$MNT/pg" -c checkpoint postgres || die "psql: $(tail -1 "$T/pg.log")"
as_postgres "$pg_bin/pg_ctl" -D "$MNT/pg/data" -w -m fast stop || die "pg_ctl: $(tail -1 "$T/pg.log")"

du -sm "$MNT"/* | sed 's/^/# /' | awk '{ print $2, "MB", $3 }' | sed 's|/.*/||' >&2
df -m "$MNT" | tail -1 >&2
umount "$MNT"
mounts=()
trap - ERR
mv "$out.part" "$out"
