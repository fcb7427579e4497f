#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-only
#
# plant-history.pl FILE [PLACES] - a made-up history that begins at 2026-01-05 08:00:00 UTC, in the
# format of loader/history.h as this script knows it: a scan, mmap random reads, small files and runs
# of a disk; a pause; and a file system without a disk, whose name is no friend of HTML.
use strict;
use warnings;
use Compress::Zlib qw(crc32);

my ($path, $places) = @ARGV;
$places //= 16368;
my $begin = 1767600000;
my ($sample, $decision, $note, $mark) = (1, 2, 3, 4);
my %outcome = (set => 0, already => 1, recommended => 2, again => 3, stood => 4, refused => 5, gone => 6);
my %what = (reverted => 1, kept => 2, tried => 3, trimmed => 4, untrimmed => 5);
my %class = (sequential => 0, random => 1, mixed => 2, 'long-runs' => 3, 'short-runs' => 4,
	objects => 5, pages => 6, 'small-files' => 7, none => 255);
my @disk = (bdi => 11, name => '8:0', label => 'sda');
my @films = (bdi => 12, name => '0:41', label => '0:41 (/srv/<films> & "more")');

my (@file, $sequence, $now);
sub record {
	my %r = (kind => 0, what => 0, class => 'none', old => 'none', bdi => 0, name => '', label => '',
		ra => 0, from => 0, to => 0, original => 0, margin => 0, ms => 0, error => 0, calls => 0,
		reads => 0, device => 0, fetched => 0, used => 0, text => '', @_);
	my $body = pack('C4 Q<3 a32 a64 V4 l< V3 Q<5 Q<2 a40', $r{kind}, $r{what}, $class{$r{class}},
		$class{$r{old}}, ++$sequence, $now * 1_000_000_000, @r{qw(bdi name label ra from to
		original)}, int($r{margin} * 65536), @r{qw(ms error calls reads device fetched used)}, 0,
		0, 0, $r{text});
	$file[$sequence % $places] = pack('V', crc32($body)) . $body;
}

# MB/s and amplification for so many seconds, a record a minute
sub reads {
	my ($device, $seconds, $class, $ra, $rate, $ratio, $margin) = @_;
	for (my $left = $seconds; $left > 0; $left -= 60) {
		my $s = $left < 60 ? $left : 60;
		my $bytes = int($rate * 1e6 * $s * (0.9 + ($sequence * 7 % 11) / 50));
		$now += $s;
		record(@$device, kind => $sample, class => $class, old => $class, ra => $ra,
			margin => $margin + $sequence % 3, ms => $s * 1000, calls => 90, reads => 90,
			device => $device == \@disk ? $bytes : 0, fetched => $bytes,
			used => int($bytes / $ratio));
	}
}
sub decide {
	my ($device, $outcome, $old, $new, $from, $to, $original, $margin, @more) = @_;
	record(@$device, kind => $decision, what => $outcome{$outcome}, old => $old, class => $new,
		from => $from, to => $to, ra => $outcome =~ /^re(fused|commended)/ ? $from : $to,
		original => $original, margin => $margin, calls => 40, @more);
}
sub told {
	my ($device, $what, $class, $from, $to, $text) = @_;
	record(@$device, kind => $note, what => $what{$what}, class => $class, from => $from, to => $to,
		text => $text // '');
}

$now = $begin;
record(kind => $mark, what => 1);
reads(\@disk, 600, 'none', 128, 0.4, 1, 0);
decide(\@disk, 'set', 'none', 'pages', 128, 16, 128, 20.25);
reads(\@disk, 1500, 'pages', 16, 9, 7, 20);
decide(\@disk, 'set', 'pages', 'sequential', 16, 252, 128, 25.5);
reads(\@disk, 900, 'sequential', 252, 118, 1.01, 25);
decide(\@disk, 'already', 'sequential', 'small-files', 252, 252, 128, 8.25);
reads(\@disk, 300, 'small-files', 252, 60, 1.1, 8);
told(\@disk, 'tried', 'small-files', 252, 508);
reads(\@disk, 120, 'small-files', 508, 50, 1.3, 8);
told(\@disk, 'untrimmed', 'small-files', 252, 508);
reads(\@disk, 60, 'small-files', 252, 60, 1.1, 8);
decide(\@disk, 'set', 'small-files', 'short-runs', 252, 124, 128, 12.5);
reads(\@disk, 400, 'short-runs', 124, 35, 2, 12);
told(\@disk, 'reverted', 'short-runs', 252, 124, '-31 % places read');
decide(\@disk, 'set', 'short-runs', 'short-runs', 124, 252, 128, 12.5);
reads(\@disk, 600, 'short-runs', 252, 52, 1.4, 12);
$now += 1800; # nothing is read
decide(\@disk, 'refused', 'short-runs', 'objects', 252, 28, 128, 9.25, error => 30);
reads(\@disk, 900, 'objects', 252, 20, 6, 9);
record(kind => $mark, what => 2);
$now += 1500;
record(kind => $mark, what => 1);
reads(\@disk, 300, 'objects', 128, 12, 14, 9);
decide(\@disk, 'set', 'none', 'objects', 128, 28, 128, 9.75);
reads(\@disk, 600, 'objects', 28, 30, 3, 9);
decide(\@disk, 'again', 'objects', 'objects', 128, 28, 128, 9.5);
reads(\@disk, 600, 'objects', 28, 30, 3, 9);
decide(\@disk, 'stood', 'objects', 'objects', 28, 96, 96, 9.25);
reads(\@disk, 1200, 'objects', 96, 22, 8, 9);
my $end = $now;
reads(\@films, 600, 'sequential', 252, 80, 1, 22);
decide(\@films, 'already', 'sequential', 'mixed', 252, 252, 128, 5.5);
reads(\@films, 300, 'mixed', 252, 40, 1, 5);
decide(\@films, 'gone', 'mixed', 'mixed', 252, 0, 0, 0);

open(my $out, '>:raw', $path) or die "$path: $!\n";
print $out pack('V6 Q<', 0x46504252, 0x53494841, 1, 256, $places, 0, $begin * 1_000_000_000),
	"\0" x (4096 - 32);
print $out $file[$_] // "\0" x 256 for 0 .. $places - 1;
close($out) or die "$path: $!\n";
