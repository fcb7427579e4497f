#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-only
#
# tables.pl CELLS WORKLOADS LIMITS REACT OUT-DIR - the tables of the file of cells: OUT-DIR/effect-tables.md
# and a picture per profile, effect-PROFILE.svg. LIMITS is text, a line "PROFILE BYTES IOPS" each, of
# which a command's hash is made; REACT the seconds and patterns of `react`. What is missing is said to
# be missing.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);

my ($cells_file, $table_file, $limits_text, $react, $out_dir) = @ARGV;
die "usage: tables.pl CELLS WORKLOADS LIMITS REACT OUT-DIR\n" unless defined $out_dir;

my @statics = qw(16 64 128 256 1024 4096);
my @own = qw(bpfahead bpfahead-probe);
my %title = (default => "host's default", again => 'default again', 'bpfahead' => 'bpfahead',
	'bpfahead-probe' => 'bpfahead, probing');

my (%limits, @profiles);
for (split /\n/, $limits_text) {
	my ($profile, $rest) = /^(\S+) (.*)/ or next;
	push @profiles, $profile;
	$limits{$profile} = $rest;
}

my (@workloads, @kept, %class, %line); # @kept: a hot set is in memory already
open(my $table, '<', $table_file) or die "$table_file: $!\n";
while (<$table>) {
	chomp;
	next if /^(#|\s*$)/;
	my ($name, $class, undef, $memory) = split;
	push @{$memory =~ /\+/ ? \@kept : \@workloads}, $name;
	($class{$name}, $line{$name}) = ($class, $_);
}

# --- the cells: for each, its lines of the longest time, of the last kernel and build ------------------

open(my $in, '<', $cells_file) or die "$cells_file: $!\n";
my $head = <$in> // die "$cells_file is empty\n";
chomp $head;
my @names = split /,/, $head;
my (@rows, $kernel, %kernels); # a version; its builds, and how many cells each has
my $void = 0;
while (<$in>) {
	chomp;
	my @fields = split /,/, $_, -1;
	die "$cells_file:$.: " . @fields . " fields\n" unless @fields == @names;
	my %row;
	@row{@names} = @fields;
	push @rows, \%row;
	$kernel = $row{kernel} =~ s/-.*//r;
}
my (%lines, %build, %builds);
for my $row (@rows) {
	my ($profile, $name) = @$row{qw(profile workload)};
	my $wanted = exists $line{$name} ?
		substr(sha256_hex("$limits{$profile} $line{$name}\n"), 0, 10) : $row->{command};
	if ($row->{kernel} !~ /^\Q$kernel\E(?:-|$)/ || $row->{command} ne $wanted) {
		$void++;
		next;
	}
	$kernels{$row->{kernel}}++;
	push @{$lines{$profile}{$name}{$row->{column}}}, $row;
}

sub median {
	my @v = sort { $a <=> $b } @_;
	return @v % 2 ? $v[@v / 2] : ($v[@v / 2 - 1] + $v[@v / 2]) / 2;
}

sub latest {
	my ($last) = sort { $b->{time} cmp $a->{time} } @_;
	return $last;
}
sub geomean {
	my $sum = 0;
	$sum += log($_ > 1e-6 ? $_ : 1e-6) for @_;
	return exp($sum / @_);
}

my @figures = qw(rate iops p99_us amplification stream_mbps random_iops);
# bpfahead's time, in seconds, of which what comes first counts: its warm-up, measured by itself in turns.
my $own_s = 60;
my (%cell, %used_builds, %used_times, %used_repeats, %spreads);
my %rounds; # rounds of a row that was measured in turns: {profile}{workload}{round}{column}, rates

# in_turns PROFILE NAME: takes up a row that was measured in turns with the last build; false where it was not.
# There, static cells are of a build, too: that beside which they were measured.
sub in_turns {
	my ($profile, $name) = @_;
	my $of = $lines{$profile}{$name};
	my $last = latest(@{$of->{bpfahead} || []}) // latest(grep { $_->{build} ne '-' } @{$of->{default} || []});
	return 0 unless $last;
	my $build = $last->{build};
	my ($seconds) = sort { $b <=> $a } map { $_->{seconds} } grep { $_->{build} eq $build } @{$of->{default} || []};
	return 0 unless defined $seconds;

	my (%round, %warm);
	for my $column (grep { !/[.]lag$/ } keys %$of) {
		for my $row (sort { $a->{time} cmp $b->{time} } @{$of->{$column}}) {
			next unless $row->{build} eq $build && $row->{seconds} == $seconds;
			my %got = %$row;
			if ($column =~ /^bpfahead/) {
				my $lag = latest(grep { $_->{build} eq $build && $_->{repeat} == $row->{repeat} && $_->{seconds} == $row->{warm_up_s} }
					@{$of->{"$column.lag"} || []}) or next;
				for my $key (qw(rate iops stream_mbps random_iops)) {
					next unless $row->{$key} =~ /^[\d.]+$/ && $lag->{$key} =~ /^[\d.]+$/;
					$got{$key} = ($lag->{seconds} * $lag->{$key} + ($own_s - $lag->{seconds}) * $row->{$key}) / $own_s;
				}
			}
			$round{$row->{repeat}}{$column} = \%got;
			$warm{$column} = $row->{warm_up_s};
		}
	}
	# Compared are rounds in which each column has its turn; one that has none at all is missing.
	my @all = grep { my $r = $_; !grep { !$round{$r}{$_} } keys %warm } keys %round;
	return 1 unless @all;
	for my $column (keys %warm) {
		my @turns = map { $round{$_}{$column} } @all;
		take($profile, $name, $column, $column =~ /^bpfahead/ ? $own_s : $seconds, @turns);
		$used_times{$profile}{kind_of($column)}{"$warm{$column}+$seconds"}++;
		$rounds{$profile}{$name}{$_}{$column} = $round{$_}{$column}{rate} for @all;
	}
	return 1;
}

sub kind_of { return $_[0] =~ /^bpfahead/ ? 'bpfahead' : 'static'; }

# take PROFILE NAME COLUMN SECONDS LINE...: a cell, of its lines.
sub take {
	my ($profile, $name, $column, $seconds, @all) = @_;
	my %cell_of = (repeats => scalar(@all), build => $all[0]{build}, seconds => $seconds,
		warm => $all[0]{warm_up_s}, unit => $all[0]{unit}, kb => $all[-1]{read_ahead_kb});
	for my $key (@figures) {
		my @v = grep { /^[\d.]+(e-?\d+)?$/ } map { $_->{$key} } @all;
		$cell_of{$key} = @v ? median(@v) : undef;
	}
	my $kind = kind_of($column);
	$used_repeats{$profile}{$kind}{scalar(@all)}++;
	my @v = sort { $a <=> $b } map { $_->{rate} } @all;
	push @{$spreads{$profile}{$kind}}, ($v[-1] - $v[0]) / 2 / $cell_of{rate} if @v > 1 && $cell_of{rate} > 0;
	$cell{$profile}{$name}{$column} = \%cell_of;
	$used_builds{$profile}{$column}{$cell_of{build}}++;
}

for my $profile (keys %lines) {
	for my $name (keys %{$lines{$profile}}) {
		next if $name ne 'react' && in_turns($profile, $name);
		for my $column (keys %{$lines{$profile}{$name}}) {
			next if $name eq 'react'; # a line there is no repeat of another
			# What was measured in turns is compared with its turns only.
			my @all = grep { kind_of($column) eq 'static' ? $_->{build} eq '-' : $_->{warm_up_s} == 0 }
				@{$lines{$profile}{$name}{$column}};
			next if !@all || $column =~ /[.]lag$/;
			my $build = latest(@all)->{build};
			@all = grep { $_->{build} eq $build } @all;
			my $longest = (sort { $b <=> $a } map { $_->{seconds} } @all)[0];
			@all = grep { $_->{seconds} == $longest } @all;
			take($profile, $name, $column, $longest, @all);
			$used_times{$profile}{kind_of($column)}{"$all[0]{warm_up_s}+$longest"}++;
		}
	}
}
sub rate {
	my $c = $cell{$_[0]}{$_[1]}{$_[2]};
	return $c ? $c->{rate} : undef;
}

# The best of the static values, the host's own among them; nothing where one of them is missing.
sub best_static {
	my ($profile, $name) = @_;
	my ($best, $at);
	for my $column (@statics, 'default') {
		my $r = rate($profile, $name, $column);
		return () unless defined $r;
		($best, $at) = ($r, $column) if !defined $best || $r > $best;
	}
	return ($best, $at);
}

sub number {
	my $v = shift;
	return 'missing' unless defined $v;
	return sprintf($v >= 1000 ? '%.0f' : $v >= 100 ? '%.0f' : $v >= 10 ? '%.1f' : '%.2f', $v);
}

open(my $out, '>', "$out_dir/effect-tables.md") or die "$out_dir/effect-tables.md: $!\n";
my @bars;
# bar TEXT VALUE MET: MET undef where it cannot be told.
sub bar { push @bars, [@_]; }

my %geomean_bar = (cloud => 0.96, hdd => 0.96, fast => 0.92);
my @columns = ('default', 'again', @statics, @own);
for my $profile (@profiles) {
	my $geomean_bar = $geomean_bar{$profile} ? ">= $geomean_bar{$profile}" : 'reported';
	print $out "\n### $profile\n\n![$profile: throughput as a share of the best static value](effect-$profile.svg)\n\n";
	unless ($cell{$profile}) {
		print $out "All ", scalar(@workloads), " workloads are missing: `make bench-effect PROFILE=$profile`.\n";
		bar("geomean of throughput / best static per workload, $profile, $title{$_}", 'missing',
			$geomean_bar, undef, 0) for @own;
		next;
	}
	my $here = $cell{$profile};
	for my $kind ('static', 'bpfahead') {
		my $times = $used_times{$profile}{$kind} or next;
		print $out "Seconds (warm-up + measured) of the $kind columns: ",
			join(', ', map { "$_ in $times->{$_} cells" } sort keys %$times), ".\n";
		my $repeats = $used_repeats{$profile}{$kind};
		print $out "Repeats of the $kind columns: ", join(', ', map { "$_ in $repeats->{$_} cells" } sort keys %$repeats);
		my @spread = sort { $a <=> $b } @{$spreads{$profile}{$kind} || []};
		printf $out '; half the distance of least and greatest: median %.1f %%, nine tenths of the cells below %.1f %%',
			100 * median(@spread), 100 * $spread[int(0.9 * $#spread)] if @spread;
		print $out ".\n";
	}
	my @in_turns = keys %{$rounds{$profile} || {}};
	print $out "In turns: ", scalar(@in_turns), " rows, a share of bpfahead's that of $own_s s, in which its warm-up is the first.\n"
		if @in_turns;
	for my $column (@own) {
		my $builds = $used_builds{$profile}{$column} or next;
		print $out "Builds of $title{$column}: ", join(', ', map { "`$_` in $builds->{$_} cells" } sort keys %$builds), ".\n";
	}
	print $out "\nThroughput, and in brackets its share of the best static value of the row:\n\n";
	table_of($profile, @workloads);

	# Geomeans: of a column, over the rows that have a best static value and this column.
	my @complete = grep { my @b = best_static($profile, $_); @b && $b[0] > 0 } @workloads;
	my %shares;
	for my $column (@columns) {
		for my $name (@complete) {
			my $r = rate($profile, $name, $column);
			next unless defined $r;
			my ($best) = best_static($profile, $name);
			$shares{$column}{$name} = $r / $best;
		}
	}
	print $out "\n| geomean of the share of the best static value | value | rows |\n|---|---|---|\n";
	my %mean;
	for my $column (@columns) {
		my @v = values %{$shares{$column} || {}};
		$mean{$column} = @v ? geomean(@v) : undef;
		printf $out "| %s | %s | %d of %d |\n", $title{$column} // "$column KB",
			@v ? sprintf('%.3f', $mean{$column}) : 'missing', scalar(@v), scalar(@workloads);
	}
	my ($single) = sort { $mean{$b} <=> $mean{$a} } grep { defined $mean{$_} } @statics, 'default';
	print $out "\nBest single static value: ", $title{$single} // "$single KB",
		sprintf(", %.3f.\n", $mean{$single}) if defined $single;
	of_luck($profile);

	for my $column (@own) {
		my $which = $title{$column};
		my @rows = sort grep { exists $shares{$column}{$_} } @complete;
		bar("geomean of throughput / best static per workload, $profile, $which",
			@rows ? sprintf('%.3f of %d rows (128 KB %.3f, best single static %.3f: %s)', $mean{$column}, scalar(@rows),
				geomean(map { $shares{128}{$_} } @rows), geomean(map { $shares{$single}{$_} } @rows),
				$title{$single} // "$single KB") : 'missing',
			$geomean_bar, $geomean_bar eq 'reported' ? 'reported' :
				@rows ? $mean{$column} >= $geomean_bar{$profile} : undef,
			scalar(@rows) < @workloads);
		for my $against ('default', '128') {
			my ($worst, $ratio, $band, $low, @losers);
			for my $name (@workloads) {
				my ($r, $base, $again) = map { rate($profile, $name, $_) } $column, $against, 'again';
				my $first = rate($profile, $name, 'default');
				next unless $r && $base && $again && $first;
				my $pair = $again < $first ? $again / $first : $first / $again;
				my $limit = $pair >= 0.97 ? 0.97 : $pair;
				push @losers, sprintf('%s %.2f (A/A %.2f)', $name, $r / $base, $pair) if $r / $base < $limit;
				($worst, $ratio, $band, $low) = ($name, $r / $base, $pair, $limit)
					if !defined $ratio || $r / $base / $limit < $ratio / $low;
			}
			bar("worst workload against " . ($title{$against} // "$against KB") . ", $profile, $which",
				defined $worst ? sprintf('%s %.3f (A/A %.3f)', $worst, $ratio, $band) .
					(@losers ? '; below: ' . join(', ', @losers) : '') : 'missing',
				'>= 0.97, or the A/A band', defined $worst ? !@losers : undef, 0);
		}
	}

	# Two sides of one workload.
	for my $name (grep { my $n = $_; grep { defined $here->{$n}{$_}{random_iops} } keys %{$here->{$n} || {}} } @workloads) {
		print $out "\n$name, both sides:\n\n| column | scan MB/s | random reads/s | p99 of these, us |\n|---|---|---|---|\n";
		for my $column (@columns) {
			my $c = $here->{$name}{$column};
			printf $out "| %s | %s | %s | %s |\n", $title{$column} // "$column KB",
				map { number($c ? $c->{$_} : undef) } qw(stream_mbps random_iops p99_us);
		}
		my $default = $here->{$name}{default};
		for my $column (@own) {
			my $c = $here->{$name}{$column};
			my ($p99, $iops) = map { $c && $default && $default->{$_} ? $c->{$_} / $default->{$_} : undef } qw(p99_us random_iops);
			bar("random readers beside a scan against the default, $profile, $title{$column}",
				defined $p99 ? sprintf('p99 %.2fx, IOPS %.2fx', $p99, $iops) : 'missing',
				'p99 <= 1.05x, IOPS >= 0.97x', defined $p99 ? $p99 <= 1.05 && $iops >= 0.97 : undef, 0);
		}
	}
	for my $column (@own) {
		my ($name, %bar) = $profile eq 'hdd' ? ('seq128k', 128 => 6) :
			('mmaprand4k', 128 => $profile eq 'cloud' ? 2 : 0, 8192 => $profile eq 'cloud' ? 20 : 0);
		for my $against (sort { $a <=> $b } keys %bar) {
			my ($r, $base) = map { rate($profile, $name, $_) } $column, $against;
			bar("$name against $against KB, $profile, $title{$column}",
				$r && $base ? sprintf('%.2fx in %d s', $r / $base, $here->{$name}{$column}{seconds}) : 'missing',
				$bar{$against} ? ">= $bar{$against}x" : 'reported',
				!$bar{$against} ? 'reported' : $r && $base ? $r / $base >= $bar{$against} : undef, 0);
		}
	}
	if (@kept) {
		print $out "\nThe same beside a hot set that one sequential read has brought in (rows of no figure above or below):\n\n";
		table_of($profile, @kept);
	}
	day_shift($profile);
	for my $column (@own) {
		my ($text, $met, $part) = reaction($profile, $column);
		bar("change of pattern to the new value on the open file, p95, $profile, $title{$column}",
			$text, '<= 4 s', $met, $part);
	}
	picture($profile, \%shares, $single);
}

# reaction PROFILE COLUMN: the text of the bar, whether it is met, and whether changes are missing. No new
# value after a change is right only where the two patterns have the same: all phases of both end with it.
sub reaction {
	my ($profile, $column) = @_;
	my @all = @{$lines{$profile}{react}{$column} || []};
	my $last = latest(@all) or return ('missing', undef, 0);
	my %change = map { $_->{repeat} => $_ } sort { $a->{time} cmp $b->{time} }
		grep { $_->{build} eq $last->{build} && $_->{command} eq $last->{command} } @all;
	my (undef, @pattern) = split ' ', $react;
	my %kb = map { $_ => $change{$_}{read_ahead_kb} } grep { $change{$_}{read_ahead_kb} =~ /^\d+$/ } keys %change;
	# Of other patterns than today's, which value belongs to which is not known.
	%kb = () if $last->{command} ne substr(sha256_hex("$limits{$profile} react $react\n"), 0, 10);

	my (%ends, @lag, @same, %stuck);
	$ends{$pattern[$_]}{$kb{$_}} = 1 for keys %kb;
	my $kb_of = sub {
		my @ends = keys %{$ends{$_[0]} || {}};
		return @ends == 1 ? $ends[0] : -1;
	};
	for my $n (sort { $a <=> $b } grep { $_ > 0 } keys %change) {
		if ($change{$n}{rate} =~ /^[\d.]+$/) {
			push @lag, $change{$n}{rate};
			next;
		}
		push @same, $n;
		next unless %kb;
		my ($before, $now) = map { $kb_of->($pattern[$_]) } $n - 1, $n;
		$stuck{$pattern[$n]}++ unless defined $kb{$n} && $now >= 0 && $now == $before;
	}
	@lag = sort { $a <=> $b } @lag;
	# What never arrived took longer than any other.
	my $stuck = 0;
	$stuck += $_ for values %stuck;
	my $rank = int(0.95 * (@lag + $stuck) + 0.999);
	my $p95 = $rank <= @lag ? $lag[$rank - 1] : undef;
	my $text = @lag ? sprintf('%s, median %.2f s, of %d changes; %d changes of pattern without one of the value',
		defined $p95 ? sprintf('%.2f s', $p95) : 'none', median(@lag), scalar(@lag), scalar(@same)) :
		'no new value in ' . @same . ' changes of pattern';
	if (!%kb) {
		$text .= ', and the values are not known' if @same;
		return ($text, @lag ? $p95 <= 4 : undef, 0); # then nothing is stuck
	}
	$text .= ', **never arrived**: ' . join(', ', map {
			"$stuck{$_} of $_ (ends at " . join(' or ', sort { $a <=> $b } keys %{$ends{$_} || {}}) . ' KB)'
		} sort keys %stuck) if %stuck;
	$text .= ', where both have the same' if @lag && @same && !%stuck;
	return ($text, @lag && defined $p95 && $p95 <= 4, !!grep { !$change{$_} } 1 .. $#pattern);
}

# of_luck PROFILE: what of a distance to the best static value is that the best is the luckiest of seven, too.
# Of rows in turns: with what each round's static cells have in common taken out, the value that is best
# in the other rounds, in the round that is left out.
sub of_luck {
	my $profile = shift;
	my %shares;
	for my $name (@workloads) {
		my $round = $rounds{$profile}{$name} or next;
		my @rounds = sort { $a <=> $b } keys %$round;
		my @choice = ('default', @statics);
		next if @rounds < 2 || grep { !($round->{$rounds[0]}{$_}) } @choice, 'again', 'bpfahead';
		my %rate; # {column}{round}
		for my $r (@rounds) {
			my $pace = geomean(map { $round->{$r}{$_} } @choice);
			$rate{$_}{$r} = $round->{$r}{$_} / $pace for keys %{$round->{$r}};
		}
		my $of = sub {
			my ($column, $but) = @_;
			return median(map { $rate{$column}{$_} } grep { !defined $but || $_ != $but } @rounds);
		};
		my ($best) = sort { $b <=> $a } map { $of->($_) } @choice;
		next unless $best > 0;
		my $chosen = median(map {
			my $r = $_;
			my ($first) = sort { $of->($b, $r) <=> $of->($a, $r) } @choice;
			$rate{$first}{$r};
		} @rounds);
		push @{$shares{$_}}, $of->($_) / $best for qw(default again bpfahead);
		push @{$shares{chosen}}, $chosen / $best;
		push @{$shares{own}}, $chosen > 0 ? $of->('bpfahead') / $chosen : 1;
	}
	return unless %shares;
	printf $out "\nWhat of it is luck, in %d rows of two rounds and more, with each round's speed taken out: of the best static " .
		"value the host's default has %.3f, `default again` %.3f, the value that is best in the other rounds, in the round left " .
		"out, %.3f, and bpfahead %.3f; of that value bpfahead has %.3f.\n", scalar(@{$shares{chosen}}),
		map { geomean(@{$shares{$_}}) } qw(default again chosen bpfahead own);
}

# table_of PROFILE NAME...: a line per workload, with the rate of each column and its share.
sub table_of {
	my ($profile, @shown) = @_;
	print $out '| workload | class | unit | ', join(' | ', map { $title{$_} // "$_ KB" } @columns), " |\n";
	print $out '|---|---|---', '|---' x @columns, "|\n";
	for my $name (@shown) {
		my ($best, $at) = best_static($profile, $name);
		my ($any) = grep { defined } map { $cell{$profile}{$name}{$_} } @columns;
		print $out "| $name | $class{$name} | ", $any ? $any->{unit} : '-', ' |';
		for my $column (@columns) {
			my $r = rate($profile, $name, $column);
			my $text = number($r);
			$text .= sprintf(' (%.2f)', $r / $best) if defined $r && $best;
			$text = "**$text**" if defined $at && $at eq $column;
			print $out " $text |";
		}
		print $out "\n";
	}
}

# The day: lines of the workload day.N.NAME, a phase each; the ideals are computed from static cells.
sub day_shift {
	my $profile = shift;
	my @phases = sort grep { /^day\.\d/ } keys %{$cell{$profile}};
	return unless @phases;
	my (%total, %ideal_kb, @best_rates);
	my @names = map { /^day\.\d+\.(.*)/ ? $1 : $_ } @phases;
	my $seconds = 0;
	for my $n (@names) {
		my ($best, $at) = best_static($profile, $n);
		return unless $best;
		push @best_rates, [$best, $at];
	}
	for my $i (0 .. $#names) {
		my $best = $best_rates[$i][0];
		for my $column (@own) {
			my $c = $cell{$profile}{$phases[$i]}{$column};
			$total{$column} = defined $c && defined $total{$column} || $i == 0 && $c ? ($total{$column} // 0) + $c->{rate} / $best : undef;
			$seconds = $c->{seconds} if $c;
		}
		$total{$_} += rate($profile, $names[$i], $_) / $best for @statics, 'default';
		$total{ideal} += 1;
		my $before = $i ? rate($profile, $names[$i], $best_rates[$i - 1][1]) / $best : 1;
		$total{lag} += $seconds ? (4 * $before + ($seconds - 4)) / $seconds : 0;
	}
	($seconds) = map { $_->{seconds} } values %{$cell{$profile}{$phases[0]}} unless $seconds;
	my ($single) = sort { $total{$b} <=> $total{$a} } @statics, 'default';
	print $out "\nDay shift, phases of $seconds s (", join(', ', @names), "): sum of each phase's share of its best static ",
		"value.\n\n| | sum | against the best single static value |\n|---|---|---|\n";
	for my $column (@statics, 'default', @own, 'ideal', 'lag') {
		my %more = (ideal => 'ideal, no lag', lag => 'ideal, 4 s of lag a phase');
		printf $out "| %s | %s | %s |\n", $more{$column} // $title{$column} // "$column KB",
			defined $total{$column} ? (sprintf('%.3f', $total{$column}), sprintf('%.3f', $total{$column} / $total{$single})) :
			('missing', 'missing');
	}
	# What the order costs by itself, the default has lost as well.
	print $out "\nPhase by phase, medians of the repeats, and in brackets the share of the best static value, which was measured alone:\n\n",
		"| phase | program | best static value, alone | host's default, same order | ", join(' | ', map { $title{$_} } @own),
		" |\n|---|---|---|---|", '---|' x @own, "\n";
	for my $i (0 .. $#names) {
		my ($best, $at) = @{$best_rates[$i]};
		printf $out "| %s | %s | %s | %s |\n", $phases[$i] =~ /^day\.(\d+)/, $names[$i],
			number($best) . ' (' . ($title{$at} // "$at KB") . ')', join(' | ', map {
				my $r = rate($profile, $phases[$i], $_);
				number($r) . (defined $r ? sprintf(' (%.2f)', $r / $best) : '');
			} 'default', @own);
	}
	for my $column (@own) {
		my $want = {cloud => 1.12, hdd => 1.08}->{$profile} or next;
		my $v = defined $total{$column} ? $total{$column} / $total{$single} : undef;
		bar("day shift against the best single static value, $profile, $title{$column}",
			defined $v ? sprintf('%.3f (ideal %.3f, with 4 s lag %.3f)', $v, map { $total{$_} / $total{$single} } qw(ideal lag)) : 'missing',
			">= $want", defined $v ? $v >= $want : undef, 0);
	}
}

print $out "\n### Bars\n\n| figure | measured | bar | |\n|---|---|---|---|\n";
for (@bars) {
	my ($text, $value, $bar, $met, $part) = @$_;
	my $verdict = !defined $met ? 'not measured' : $met eq 'reported' ? '' : $met ? 'met' : '**not met**';
	$verdict .= ($verdict && ', ') . 'rows missing' if defined $met && $part;
	print $out "| $text | $value | $bar | $verdict |\n";
}
print $out "\nKernel $kernel, its build ", join(' and ', map { "$_ ($kernels{$_} cells)" } sort keys %kernels), ".\n";
print $out "\n$void lines of the file of cells are of other kernels or commands and not used.\n" if $void;
close($out) or die "$out_dir/effect-tables.md: $!\n";

# --- the pictures: a row per workload, a mark per column at its share of the best static value -------------

sub picture {
	my ($profile, $shares, $single) = @_;
	my @series = (['default', '#888', $title{default}], ['128', '#3b78c2', '128 KB'],
		[$single // '64', '#2a9d4e', defined $single ? 'best single: ' . ($title{$single} // "$single KB") : ''],
		['bpfahead', '#d6452b', $title{bpfahead}], ['bpfahead-probe', '#8e44ad', $title{'bpfahead-probe'}]);
	my @rows = @workloads;
	my ($left, $width, $step, $top) = (190, 640, 16, 64);
	my $height = $top + $step * @rows + 40;
	my ($low, $high) = (0.01, 2);
	my $x = sub {
		my $v = shift;
		$v = $low if $v < $low;
		$v = $high if $v > $high;
		return $left + $width * log($v / $low) / log($high / $low);
	};
	open(my $svg, '>', "$out_dir/effect-$profile.svg") or die "$out_dir/effect-$profile.svg: $!\n";
	my $total = $left + $width + 30;
	print $svg qq(<svg xmlns="http://www.w3.org/2000/svg" width="$total" height="$height" ),
		qq(font-family="sans-serif" font-size="11">\n<rect width="100%" height="100%" fill="#fff"/>\n),
		qq(<text x="8" y="18" font-size="14">$profile: throughput as a share of the best static read_ahead_kb of each workload</text>\n);
	my $lx = 8;
	for (@series) {
		my ($column, $colour, $text) = @$_;
		next unless $shares->{$column};
		printf $svg qq(<circle cx="%d" cy="34" r="4" fill="%s"/><text x="%d" y="38">%s</text>\n), $lx + 5, $colour, $lx + 14, $text =~ s/&/&amp;/gr;
		$lx += 34 + 6.2 * length($text);
	}
	for my $tick (0.01, 0.03, 0.1, 0.3, 0.5, 0.8, 1, 1.5) {
		printf $svg qq(<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="%s"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>\n),
			$x->($tick), $x->($tick), $top - 6, $height - 28, $tick == 1 ? '#444' : '#ddd', $x->($tick), $height - 12, $tick;
	}
	my $y = $top + 4;
	for my $name (@rows) {
		printf $svg qq(<text x="%d" y="%.1f" text-anchor="end">%s</text>\n), $left - 8, $y + 4, $name;
		my $some = 0;
		for (@series) {
			my ($column, $colour) = @$_;
			my $share = $shares->{$column}{$name};
			next unless defined $share;
			$some = 1;
			printf $svg qq(<circle cx="%.1f" cy="%.1f" r="4" fill="%s" fill-opacity="0.75"/>\n), $x->($share), $y, $colour;
		}
		printf $svg qq(<text x="%d" y="%.1f" fill="#999">missing</text>\n), $left + 4, $y + 4 unless $some;
		$y += $step;
	}
	print $svg "</svg>\n";
	close($svg) or die "$out_dir/effect-$profile.svg: $!\n";
}
