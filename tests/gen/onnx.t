#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# bpfahead-gen import and export: what other tools write is understood or refused in one clear
# line; what is exported and imported again is the same model.
# shellcheck source=tests/gen/lib.sh
. "$(dirname "$0")/lib.sh"

SCHEMA=/usr/include/onnx
[ -r $SCHEMA/onnx.proto ] || die "no ONNX schema: $SCHEMA/onnx.proto"
# --- there and back ---------------------------------------------------------------------------

# windows FILE SEED: three classes that two inputs tell apart
windows() {
	awk -v seed="$2" 'BEGIN {
		srand(seed)
		print "label,device,part,time_ns,span_ns,calls,ra_kb,class,margin,async_share," \
			"run_windows_q8"
		split("sequential random mixed", label, " ")
		for (i = 0; i < 180; i++) {
			k = int(i / 60)
			printf "%s,7:0,window,%d000000000,2500000000,100,128,none,0,%d,%d\n", label[k + 1],
				10 + i, k == 0 ? 60000 + rand() * 5000 : k == 1 ? rand() * 4000 : \
				30000 + rand() * 9000, 256 * (1 + k * 20 + rand() * 30)
		}
	}' >"$1"
}
for seed in 1 2 3; do windows "p.$seed.csv" $seed; done

train() {
	quietly "$BPFAHEAD_GEN" train p.?.csv --features async_share,run_windows_q8 --keep-float \
		--epochs 40 --name there --generation 42 "$@"
}
for hidden in none 8 32,16; do
	ok "train ($hidden)" train -o m.bin --hidden $hidden
	ok "export the trained network ($hidden)" "$BPFAHEAD_GEN" export m.float.json --onnx m.onnx \
		--scaler m.scaler.json
	ok "import it ($hidden)" quietly "$BPFAHEAD_GEN" import m.onnx -o back.bin
	ok "the same bytes ($hidden)" cmp m.bin back.bin
	ok "export the integers ($hidden)" "$BPFAHEAD_GEN" export m.bin --onnx int8.onnx
	ok "import them ($hidden)" quietly "$BPFAHEAD_GEN" import int8.onnx -o int8.bin
	"$BPFAHEAD_GEN" export int8.bin --onnx again.onnx
	ok "nothing drifts ($hidden)" cmp int8.onnx again.onnx
	ok "it classifies alike ($hidden)" [ "$("$BPFAHEAD_GEN" eval m.bin p.?.csv --json |
		jq -c .confusion)" = "$("$BPFAHEAD_GEN" eval int8.bin p.?.csv --json | jq -c .confusion)" ]
done

decode() { protoc --decode=onnx.ModelProto -I$SCHEMA onnx.proto; }
encode() { protoc --encode=onnx.ModelProto -I$SCHEMA onnx.proto; }
decode <m.onnx >m.txt || die 'protoc does not know what was exported'
is "$(grep -c 'op_type: "Gemm"' m.txt)" 3 'three layers are three Gemm'
is "$(jq -r '.features, .transform, .classes | join(" ")' m.scaler.json)" \
	$'async_share run_windows_q8\nlinear log2\nsequential random mixed' 'the scaler names all'

# Without its metadata: by the scaler's file, and the ranges as bounds or from data.
perl -0pe 's/metadata_props \{.*?\n\}\n//gs' m.txt | encode >bare.onnx
refuses 'no features are named' 'bare.onnx: which features are its 2 inputs' import bare.onnx -o x.bin
ok 'import with a scaler' quietly "$BPFAHEAD_GEN" import bare.onnx --scaler m.scaler.json -o bounds.bin
like "$("$BPFAHEAD_GEN" import bare.onnx --scaler m.scaler.json -o bounds.bin)" 'from bounds' \
	'ranges are bounds then'
agreement=$("$BPFAHEAD_GEN" import bare.onnx --scaler m.scaler.json -o data.bin --data p.1.csv \
	--data p.2.csv --data p.3.csv | sed -n 's/.*same class as int8 \([0-9.]*\) .*/\1/p')
ok "with data: float and int8 agree on ${agreement:-?} %" \
	awk -v a="$agreement" 'BEGIN { exit !(a >= 99.5) }'
right() { "$BPFAHEAD_GEN" eval "$1" p.?.csv --json | jq -c .confusion; }
is "$(right bounds.bin)" "$(right m.bin)" 'and by bounds the answers are the same, too'
# Weights that somebody has changed: what was measured with the old ones does not hold.
sed '/"bpfahead.weights"/,/value/s/value: "[^"]*"/value: "0123456789abcdef"/' m.txt | encode >other.onnx
like "$("$BPFAHEAD_GEN" import other.onnx -o other.bin)" 'from bounds' \
	'ranges of other weights are not believed'
# Other inputs: neither does what was measured with the old ones.
jq '.scale[0] *= 2' m.scaler.json >twice.json
like "$("$BPFAHEAD_GEN" import m.onnx --scaler twice.json -o other.bin)" 'from bounds' \
	'nor are ranges of other inputs'
like "$("$BPFAHEAD_GEN" import m.onnx --scaler m.scaler.json --classes mixed,random,sequential \
	-o other.bin)" 'from the file' 'the same inputs are the same, whatever the classes are called'
sed -e '/"bpfahead.generation"/,/value/s/value: "42"/value: "x42"/' \
	-e '/"bpfahead.name"/,/value/s/value: "there"/value: "a\\nb"/' m.txt | encode >odd.onnx
quietly "$BPFAHEAD_GEN" import odd.onnx -o odd.bin
is "$("$BPFAHEAD_GEN" info odd.bin | sed -n 's/^\(name\|generation\): //p' | xargs)" 'odd 1' \
	'a name and a generation that are none are not taken'

# --- what other tools write -------------------------------------------------------------------

# tensor NAME DIMENSIONS VALUES...: an initializer of floats
tensor() {
	local name=$1 dims=$2 d v
	shift 2
	printf 'initializer { name: "%s" data_type: 1' "$name"
	for d in $dims; do printf ' dims: %s' "$d"; done
	for v; do printf ' float_data: %s' "$v"; done
	echo ' }'
}

# op OPERATOR OUTPUT 'INPUT...' [ATTRIBUTE]...
op() {
	local name=$1 output=$2 inputs=$3 i
	shift 3
	printf 'node { op_type: "%s" output: "%s"' "$name" "$output"
	for i in $inputs; do printf ' input: "%s"' "$i"; done
	[ $# = 0 ] || printf ' attribute { %s }' "$@"
	echo ' }'
}
int() { echo "name: \"$1\" type: INT i: $2"; }
float() { echo "name: \"$1\" type: FLOAT f: $2"; }
# end input|output NAME WIDTH [TYPE]
end() {
	echo "$1 { name: \"$2\" type { tensor_type { elem_type: ${4-1} shape {" \
		"dim { dim_param: \"N\" } dim { dim_value: $3 } } } } }"
}
in=$(end input x 2) out=$(end output y 2)
w1=$(tensor w1 '3 2' 1.5 0 -2 0.25 0.5 0.5) w1t=$(tensor w1 '2 3' 1.5 -2 0.5 0 0.25 0.5)
b1=$(tensor b1 3 0.25 -0.5 1) w2=$(tensor w2 '2 3' 1 -1 0.5 -1 2 0.125) b2=$(tensor b2 2 0 0.5)
w2t=$(tensor w2 '3 2' 1 -1 -1 2 0.5 0.125)
gemm1=$(op Gemm h 'x w1 b1' "$(int transB 1)") relu=$(op Relu r h)
gemm2=$(op Gemm y 'r w2 b2' "$(int transB 1)")
weights=$w1$b1$w2$b2

# graph FILE PART...: a file of these parts
graph() {
	local file=$1
	shift
	echo "ir_version: 7 opset_import { domain: '' version: 13 } graph { name: 'g' $* }" |
		encode >"$file" || die "$file: protoc does not take it"
}
named=(--features 'async_share,around_share' --classes 'sequential,random' --name n)
echo '{"mean": [30000, 2000], "scale": [16384, 4000]}' >s.json

graph plain.onnx "$in$out$gemm1$relu$gemm2$weights"
ok 'Gemm, Relu, Gemm' quietly "$BPFAHEAD_GEN" import plain.onnx --scaler s.json "${named[@]}" -o plain.bin

# same NAME PART...: this graph, imported with OPTIONS, is the plain one
OPTIONS=(--scaler s.json)
same() {
	local name=$1
	shift
	graph same.onnx "$@"
	ok "import: $name" quietly "$BPFAHEAD_GEN" import same.onnx "${OPTIONS[@]}" "${named[@]}" -o same.bin
	ok "$name: the same model" cmp plain.bin same.bin
}
same 'MatMul and Add' "$in$out$(op MatMul m 'x w1')$(op Add h 'm b1')$relu$gemm2$w1t$b1$w2$b2"
same 'Add of the bias from the left' \
	"$in$out$(op MatMul m 'x w1')$(op Add h 'b1 m')$relu$gemm2$w1t$b1$w2$b2"
same 'Gemm as it stands' "$in$out$gemm1$relu$(op Gemm y 'r w2 b2')$w1$b1$w2t$b2"
same 'alpha and beta' "$in$out$gemm1$relu" \
	"$(op Gemm y 'r w2 b2' "$(int transB 1)" "$(float alpha 2)" "$(float beta 0.5)")$w1$b1" \
	"$(tensor w2 '2 3' 0.5 -0.5 0.25 -0.5 1 0.0625)$(tensor b2 '1 2' 0 1)"
same 'initializers among the inputs' "$(end input w1 2)$in$out$gemm1$relu$gemm2$weights"
same 'nodes in any order' "$gemm2$relu$gemm1$in$out$weights"
same 'Flatten, Identity, Dropout, Softmax' "$in$out$(op Flatten f x)$(op Identity i f)" \
	"$(op Gemm h 'i w1 b1' "$(int transB 1)")$relu$(op Dropout d r)" \
	"$(op Gemm l 'd w2 b2' "$(int transB 1)")$(op Softmax y l "$(int axis 1)")$weights"
same 'LogSoftmax, and Dropout that is told not to train' "$in$out$gemm1$relu" \
	"initializer { name: 't' data_type: 9 int32_data: 0 }$(tensor p '' 0.5)$(op Dropout d 'r p t')" \
	"$(op Gemm l 'd w2 b2' "$(int transB 1)")$(op LogSoftmax y l "$(int axis -1)")$weights"
same 'a Constant node' "$in$out$gemm1$relu$gemm2$w1$w2$b2" \
	"$(op Constant b1 '' "name: 'value' type: TENSOR t { dims: 3 data_type: 1 \
	float_data: [0.25, -0.5, 1] }")"
same 'doubles' "$in$out$gemm1$relu$gemm2$w1$w2$b2" \
	"initializer { name: 'b1' data_type: 11 dims: 3 double_data: [0.25, -0.5, 1] }"
same 'raw data' "$in$out$gemm1$relu$gemm2$w1$w2$b2" \
	'initializer { name: "b1" data_type: 1 dims: 3
		raw_data: "\000\000\200>\000\000\000\277\000\000\200?" }'
same 'a label beside the logits, as from scikit-learn' \
	"$in$(end output label 1 7)$out$gemm1$relu$gemm2$(op ArgMax label y)$weights"
same 'a scale within' "$in$out$gemm1$relu$(op Mul k 'r two')" \
	"$(op Gemm y 'k w2 b2' "$(int transB 1)")$(tensor two '' 2)$w1$b1$b2" \
	"$(tensor w2 '2 3' 0.5 -0.5 0.25 -0.5 1 0.0625)"
OPTIONS=()
mean=$(tensor mean 2 30000 2000) scale=$(tensor scale '1 2' 16384 4000)
rest="$(op Gemm h 'z w1 b1' "$(int transB 1)")$relu$gemm2$weights"
same 'Sub and Div in front' "$in$out$(op Sub c 'x mean')$(op Div z 'c scale')$mean$scale$rest"
same 'Mul and Add in front' "$in$out$(op Mul c 'x f')$(op Add z 'c m')" \
	"initializer { name: 'f' data_type: 11 dims: 2 double_data: [6.103515625e-05, 0.00025] }" \
	"initializer { name: 'm' data_type: 11 dims: 2 double_data: [-1.8310546875, -0.5] }$rest"
echo '{"mean": [22000, 1000], "scale": [4096, 2000]}' >part.json
OPTIONS=(--scaler part.json)
same 'a scaler, and another one in front' "$in$out$(op Sub c 'x mean')$(op Div z 'c scale')" \
	"$(tensor mean 2 1.953125 0.5)$(tensor scale 2 4 2)$rest"

# What it computes, by hand: with a = (async_share - 32768) / 16384, relu(a) against relu(-a).
echo '{"mean": [32768], "scale": [16384], "features": ["async_share"]}' >one.json
graph one.onnx "$(end input x 1)$out$(op Gemm h 'x w' "$(int transB 1)")$relu$(op Identity y r)" \
	"$(tensor w '2 1' 1 -1)"
for classes in sequential,random random,sequential; do
	[ $classes = sequential,random ] && accuracy=1 || accuracy=0
	ok 'a network of one input' quietly "$BPFAHEAD_GEN" import one.onnx --scaler one.json \
		--classes $classes -o one.bin
	sed -n '1p; /^sequential/p; /^random/p' p.1.csv >half.csv
	is "$("$BPFAHEAD_GEN" eval one.bin half.csv --json | jq .accuracy)" "$accuracy" \
		"answers as $classes"
done
echo '{"mean": [15], "scale": [0.5], "features": ["async_share"], "transform": ["log2"]}' >log.json
ok 'a logarithm' quietly "$BPFAHEAD_GEN" import one.onnx --scaler log.json --classes \
	sequential,random -o log.bin
like "$("$BPFAHEAD_GEN" info log.bin)" 'async_share\(16\) log2, offset 983040,' \
	'its mean is log2 of the column'
is "$("$BPFAHEAD_GEN" eval log.bin half.csv --json | jq .accuracy)" 1 'and it answers by it'
echo '{"mean": [0], "scale": [1e30], "features": ["async_share"]}' >nothing.json
like "$("$BPFAHEAD_GEN" import one.onnx --scaler nothing.json --classes sequential,random \
	-o nothing.bin)" 'async_share says nothing' 'a boundless scale is an input that says nothing'
"$BPFAHEAD_GEN" export nothing.bin --onnx nothing.onnx
quietly "$BPFAHEAD_GEN" import nothing.onnx -o nothing2.bin
ok 'which export and import keep' cmp nothing.bin nothing2.bin

# --- what is refused --------------------------------------------------------------------------

before=$(cksum <plain.bin)
# no NAME REGEX PART...
no() {
	local name=$1 regex=$2
	shift 2
	graph no.onnx "$@"
	refuses "$name" "no.onnx: $regex" import no.onnx --scaler s.json "${named[@]}" -o plain.bin
}
no 'an operator that is not supported' 'node "s" \(Sigmoid\) is not supported' \
	"$in$out$gemm1$(op Sigmoid s h)$(op Gemm y 's w2 b2' "$(int transB 1)")$weights"
no 'of another domain' 'node "y" \(LinearClassifier\) is not supported \(domain ai.onnx.ml\)' \
	"$in$out node { op_type: 'LinearClassifier' domain: 'ai.onnx.ml' input: 'x' output: 'y' }"
no 'a name that is no text' 'node "\?\?y" \(\?\?\?\[2J\) is not supported' \
	"$in$(end output '\n\ty' 2) node { op_type: '\n\r\033[2J' input: 'x' output: '\n\ty' }"
no 'a matrix that does not fit' 'node "h" \(Gemm\) multiplies 2 values by a matrix of 2x3, transposed' \
	"$in$out$gemm1$relu$gemm2$w1t$b1$w2$b2"
no 'a bias that does not fit' 'node "h" \(Gemm\) has a constant of 2x1 for rows of 3' \
	"$in$out$gemm1$relu$gemm2$w1$w2$b2$(tensor b1 2 1 2)"
no 'a column where a row should be' 'node "h" \(Gemm\) has a constant of 3x1' \
	"$in$out$gemm1$relu$gemm2$w1$w2$b2$(tensor b1 '3 1' 1 2 3)"
no 'a tensor of three dimensions' 'tensor "b1" has 3 dimensions' \
	"$in$out$gemm1$relu$gemm2$w1$w2$b2$(tensor b1 '1 1 3' 1 2 3)"
for size in 33 0 -1 9223372036854775807; do
	no "a layer of $size neurons" "tensor \"b1\" has a dimension of $size" \
		"$in$out$gemm1$relu$gemm2$w1$w2$b2$(tensor b1 "$size" 1 2 3)"
done
no 'too few values' 'tensor "b1" does not have the 3 values' \
	"$in$out$gemm1$relu$gemm2$w1$w2$b2$(tensor b1 3 1 2)"
no 'too few raw values' 'tensor "b1" does not have the 3 values' \
	"$in$out$gemm1$relu$gemm2$w1$w2$b2" \
	"initializer { name: 'b1' data_type: 1 dims: 3 raw_data: '12345678901' }"
no 'values that are no real numbers' 'tensor "b1" is of data type 7' \
	"$in$out$gemm1$relu$gemm2$w1$w2$b2 initializer { name: 'b1' data_type: 7 dims: 3 }"
no 'values in another file' 'tensor "b1" keeps its values elsewhere' \
	"$in$out$gemm1$relu$gemm2$w1$w2$b2" \
	"initializer { name: 'b1' data_type: 1 dims: 3 data_location: EXTERNAL }"
no 'NaN' 'tensor "b1" holds a value that is no number' \
	"$in$out$gemm1$relu$gemm2$w1$w2$b2$(tensor b1 3 1 nan 2)"
big="initializer { name: 'big' data_type: 11 dims: 1 double_data: 1e200 }"
no 'weights that overflow' 'a weight of layer 0 overflows' \
	"$in$out$(op Gemm h0 'x w1 b1' "$(int transB 1)")$(op Mul h1 'h0 big')$(op Mul h 'h1 big')" \
	"$relu$gemm2$weights$big"
no 'a product from the left' 'node "h" \(MatMul\) multiplies from the left' \
	"$in$out$(op MatMul h 'w1 x')$relu$gemm2$weights"
no 'transA' 'node "h" \(Gemm\) multiplies from the left' \
	"$in$out$(op Gemm h 'x w1 b1' "$(int transA 1)")$relu$gemm2$weights"
no 'two branches' 'node "j" \(Add\) joins two inputs that both vary' \
	"$in$out$gemm1$relu$(op Add j 'r h')$(op Gemm y 'j w2 b2' "$(int transB 1)")$weights"
no 'a cycle' 'node "[rh]" \((Relu|Identity)\) is one of more than 64' \
	"$in$out$(op Identity h r)$relu$gemm2$weights"
no 'an input from nowhere' '"lost" comes from nowhere' \
	"$in$out$(op Gemm h 'lost w1 b1')$relu$gemm2$weights"
no 'nothing but constants' 'node "y" \(Add\) depends on nothing but constants' \
	"$in$out$(op Add y 'b2 b2')$b2"
no 'three hidden layers' 'node "r3" \(Relu\) would be hidden layer 3' \
	"$in$out$gemm1$relu$(op Relu r2 r)$(op Relu r3 r2)$(op Gemm y 'r3 w2 b2' "$(int transB 1)")$weights"
no 'a softmax within' 'node "h" \(Gemm\) follows a softmax' \
	"$in$out$(op Softmax s x)$(op Gemm h 's w1 b1' "$(int transB 1)")$relu$gemm2$weights"
no 'a softmax over windows' 'node "y" \(Softmax\) works along axis 0' \
	"$in$out$gemm1$relu$(op Gemm l 'r w2 b2' "$(int transB 1)")$(op Softmax y l "$(int axis 0)")$weights"
no 'Dropout that trains' 'node "d" \(Dropout\) is in training mode' "$in$out$gemm1$relu" \
	"initializer { name: 't' data_type: 9 int32_data: 1 }$(tensor p '' 0.5)$(op Dropout d 'r p t')" \
	"$(op Gemm y 'd w2 b2' "$(int transB 1)")$weights"
no 'division by zero' 'node "z" \(Div\) divides value 1 by 0' \
	"$in$out$(op Div z 'x o')$(tensor o 2 1 0)$rest"
no 'division of a constant' 'node "z" \(Div\) divides a constant' \
	"$in$out$(op Div z 'o x')$(tensor o 2 1 1)$rest"
no 'a negative scale' 'node "h" \(Gemm\) meets input 1 times -2' \
	"$in$out$(op Mul z 'x o')$(tensor o 2 1 -2)$rest"
no 'no input' 'the graph has no input' "$out$gemm1$relu$gemm2$weights"
no 'two inputs' 'the graph has more than one input' "$in$(end input x2 2)$out$gemm1$relu$gemm2$weights"
no 'two outputs' 'the graph has more than one output' "$in$out$(end output h 3)$gemm1$relu$gemm2$weights"
no 'an output of integers' 'the graph has no output tensor of real numbers' \
	"$in$(end output y 2 7)$gemm1$relu$gemm2$weights"
no 'an input of integers' 'input "x" is neither float nor double' \
	"$(end input x 2 7)$out$gemm1$relu$gemm2$weights"
no 'an input of unknown width' 'input "x" is not declared with 1 to 16 features' \
	"$(end input x 17)$out$gemm1$relu$gemm2$weights"
no 'an input of one dimension' 'input "x" is not declared as \[windows, features\]' \
	"input { name: 'x' type { tensor_type { elem_type: 1 shape { dim { dim_value: 2 } } } } }" \
	"$out$gemm1$relu$gemm2$weights"
no 'one output' '1 outputs: a model has 2 to 8' \
	"$in$out$(op Gemm y 'x o' "$(int transB 1)")$(tensor o '1 2' 1 1)"

# bad FILE REGEX NAME: bytes that are no model
bad() { refuses "$3" "$1: $2" import "$1" --scaler s.json "${named[@]}" -o plain.bin; }
: >empty.onnx
bad empty.onnx 'not an ONNX model' 'an empty file'
head -c 200 plain.onnx >cut.onnx
bad cut.onnx 'not an ONNX model, or truncated' 'a truncated file'
cp plain.bin binary.onnx
bad binary.onnx 'not an ONNX model' 'another binary file'
head -c 1048576 /dev/zero >large.onnx
bad large.onnx '1048576 bytes or more' 'a large file'
perl -e 'my ($m, $k) = ("", 0);
	sub field { my ($n, $s) = @_; my ($l, $v) = (length $s, "");
		do { $v .= chr(($l & 127) | ($l > 127 ? 128 : 0)); $l >>= 7 } while $l;
		return chr($n << 3 | 2) . $v . $s }
	$m = field(1, field(5, field(6, $m))) for 1 .. 9000; # graph { node { attribute { g ...
	print field(7, $m)' >deep.onnx
bad deep.onnx 'not an ONNX model \(messages nest too deep\)' 'a file that nests without end'
bad . '' 'a directory'
bad absent.onnx 'No such file' 'no such file'

# scaler NAME REGEX JSON
scaler() {
	echo "$3" >bad.json
	refuses "a scaler with $1" "$2" import plain.onnx --scaler bad.json "${named[@]}" -o plain.bin
}
scaler 'too many numbers' 'plain.onnx: 2 inputs, but the scaler is for 3' \
	'{"mean": [1, 2, 3], "scale": [1, 2, 3]}'
scaler 'lengths that differ' 'bad.json: mean has 2 numbers, scale has 1' '{"mean": [1, 2], "scale": [1]}'
scaler 'fewer features than numbers' 'bad.json: 1 features, but mean and scale have 2' \
	'{"features": ["async_share"], "mean": [1, 2], "scale": [1, 2]}'
scaler 'no scale' 'bad.json: scale is not a list of 1 to 16 numbers' '{"mean": [1, 2]}'
scaler 'a scale of zero' 'bad.json: scale\[1\] is 0, which is not above 0' \
	'{"mean": [1, 2], "scale": [1, 0]}'
scaler 'a negative scale' 'bad.json: scale\[0\] is -1' '{"mean": [1, 2], "scale": [-1, 1]}'
scaler 'a scale beyond doubles' 'bad.json: scale\[0\] is not a number' \
	'{"mean": [1, 2], "scale": [1e999, 1]}'
scaler 'NaN' '(bad.json: not a JSON object|bad.json: mean\[0\] is not a number)' \
	'{"mean": [NaN, 2], "scale": [1, 1]}'
scaler 'text for a number' 'bad.json: mean\[0\] is not a number' '{"mean": ["1", 2], "scale": [1, 1]}'
scaler 'a tiny scale' 'the scale of async_share, 0.001, is below half a step' \
	'{"mean": [1, 2], "scale": [0.001, 1]}'
scaler 'a huge mean' 'the mean of async_share, 1e\+30, is out of range' \
	'{"mean": [1e30, 2], "scale": [1, 1]}'
scaler 'an unknown transform' 'bad.json: transform\[1\] is not linear or log2' \
	'{"mean": [1, 2], "scale": [1, 1], "transform": ["linear", "sqrt"]}'
scaler 'too few transforms' 'bad.json: transform is not a list of 2 names' \
	'{"mean": [1, 2], "scale": [1, 1], "transform": ["linear"]}'
scaler 'an unknown feature' 'bad.json: unknown feature "speed"' '{"features": ["speed"]}'
scaler 'a feature named twice' 'bad.json: feature iops is named twice' '{"features": ["iops", "iops"]}'
scaler 'an unknown class' 'bad.json: unknown class "chaos"' '{"classes": ["chaos"]}'
scaler 'features that are no list' 'bad.json: features is not a list of names' '{"features": 7}'
scaler 'no JSON' 'bad.json: not a JSON object' 'mean = 1'
refuses 'no scaler at all' 'plain.onnx: it does not standardise its inputs itself' \
	import plain.onnx "${named[@]}" -o plain.bin
refuses 'no such scaler' 'absent.json: No such file' \
	import plain.onnx --scaler absent.json "${named[@]}" -o plain.bin
refuses 'too few features' 'plain.onnx: 2 inputs, but 1 features are named' \
	import plain.onnx --scaler s.json --features iops --classes random,mixed -o plain.bin
refuses 'too many classes' 'plain.onnx: 2 outputs, but 3 classes are named' import plain.onnx \
	--scaler s.json --features iops,jump_ratio --classes random,mixed,pages -o plain.bin
refuses 'an unknown class' '--classes: unknown class "chaos"' import plain.onnx \
	--scaler s.json --features iops,jump_ratio --classes random,chaos -o plain.bin
refuses 'data without the inputs' 'p.1.csv:1: no column around_share' \
	import plain.onnx --scaler s.json "${named[@]}" --data p.1.csv -o plain.bin
is "$(cksum <plain.bin)" "$before" 'after all that the earlier model is as it was'
refuses 'no such directory' 'absent/m.bin: No such file' \
	import plain.onnx --scaler s.json "${named[@]}" -o absent/m.bin
refuses 'export of a damaged model' 'cut.bin: ' export cut.bin --onnx x.onnx
refuses 'export without the model beside it' 'lone.bin: ' export lone.float.json --onnx x.onnx
refuses 'export to no such directory' 'absent/m.onnx: No such file' export m.bin --onnx absent/m.onnx
cp other.bin m2.bin && cp m.float.json m2.float.json
train -o m2.bin --seed 9 && cp m.float.json m2.float.json
refuses 'export of a network that is not of the model' 'm2.float.json: belongs to another model' \
	export m2.float.json --onnx x.onnx
for arguments in 'import' 'import plain.onnx' 'import plain.onnx two.onnx -o x.bin' \
	'export m.bin' 'import plain.onnx -o x.bin --generation x' 'export'; do
	read -r -a words <<<"$arguments"
	"$BPFAHEAD_GEN" "${words[@]}" >out 2>err
	is $? 2 "usage error: $arguments"
done
for command in import export; do
	like "$("$BPFAHEAD_GEN" $command --help)" "^Usage: bpfahead-gen $command" "$command --help"
done
is "$(find . -name '*.??????' ! -name '*.onnx' ! -name '*.float.json')" '' 'no temporary files are left'

done_testing
