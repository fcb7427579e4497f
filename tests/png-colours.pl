#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-only
#
# png-colours.pl FILE.png RRGGBB... - how many pixels of a picture have just this colour, and where:
# a line "RRGGBB COUNT LEFT TOP RIGHT BOTTOM" each, after a first line "WIDTH HEIGHT COLOURS". Reads
# what browsers write: 8 bits a channel, RGB with or without alpha, not interlaced (PNG, ISO 15948).
use strict;
use warnings;
use Compress::Zlib qw(uncompress);

my ($path, @wanted) = @ARGV;
open(my $file, '<:raw', $path) or die "$path: $!\n";
my $png = do { local $/; <$file> };
substr($png, 0, 8) eq "\x89PNG\r\n\x1a\n" or die "$path is no PNG\n";
my ($at, $packed, $width, $height, $depth, $type, $interlaced) = (8, '');
while ($at + 8 <= length $png) {
	my ($bytes, $kind) = unpack('N a4', substr($png, $at, 8));
	my $chunk = substr($png, $at + 8, $bytes);
	($width, $height, $depth, $type, undef, undef, $interlaced) = unpack('NNCCCCC', $chunk)
		if $kind eq 'IHDR';
	$packed .= $chunk if $kind eq 'IDAT';
	$at += $bytes + 12;
}
my %channels = (2 => 3, 6 => 4);
die "$path: another kind of PNG than expected\n"
	unless $depth == 8 && $channels{$type} && !$interlaced;
my $n = $channels{$type};
my $raw = uncompress($packed) // die "$path: damaged\n";
my $stride = $width * $n;
die "$path: truncated\n" if length $raw != $height * ($stride + 1);

my (%count, %box, @above);
@above = (0) x $stride;
for my $y (0 .. $height - 1) {
	my ($filter, @line) = unpack('C*', substr($raw, $y * ($stride + 1), $stride + 1));
	if ($filter == 1) {
		$line[$_] = ($line[$_] + $line[$_ - $n]) & 255 for $n .. $stride - 1;
	} elsif ($filter == 2) {
		$line[$_] = ($line[$_] + $above[$_]) & 255 for 0 .. $stride - 1;
	} elsif ($filter == 3) {
		$line[$_] = ($line[$_] + ((($_ < $n ? 0 : $line[$_ - $n]) + $above[$_]) >> 1)) & 255
			for 0 .. $stride - 1;
	} elsif ($filter == 4) {
		for (0 .. $stride - 1) {
			my ($a, $b, $c) = $_ < $n ? (0, $above[$_], 0) :
				($line[$_ - $n], $above[$_], $above[$_ - $n]);
			my ($pa, $pb, $pc) = (abs($b - $c), abs($a - $c), abs($a + $b - 2 * $c));
			$line[$_] = ($line[$_] + ($pa <= $pb && $pa <= $pc ? $a : $pb <= $pc ? $b : $c))
				& 255;
		}
	}
	my $rgb = pack('C*', @line);
	for my $x (0 .. $width - 1) {
		my $colour = substr($rgb, $x * $n, 3);
		if (!$count{$colour}++) {
			$box{$colour} = [$x, $y, $x, $y];
		} else {
			my $b = $box{$colour};
			$b->[0] = $x if $x < $b->[0];
			$b->[2] = $x if $x > $b->[2];
			$b->[3] = $y;
		}
	}
	@above = @line;
}
print "$width $height ", scalar keys %count, "\n";
for (@wanted) {
	my $colour = pack('H6', $_);
	print join(' ', $_, $count{$colour} // 0, @{$box{$colour} // [-1, -1, -1, -1]}), "\n";
}
