#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The same network, data and split by bpfahead-gen, PyTorch and scikit-learn, side by side.

For comparison only: neither the models nor anything that runs needs Python. `make peers` runs it
from the top of the tree, with what it needs built; ARGS are its arguments. It prints accuracy on
the test part, training time, what the networks of the others are worth once imported into the
kernel's integers, and what an inference costs in the kernel, by TorchScript in C++ and by
TorchScript behind a Unix socket. docs/peers.md has its figures.
"""
import os

for variable in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'):
    os.environ[variable] = '1'  # before numpy is loaded

import argparse
import csv
import gzip
import json
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time
import warnings

import numpy
import onnx
import sklearn
import torch
from onnx import numpy_helper
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

INPUT_MOST = 8.0  # standard deviations, as the kernel's inputs saturate
CLASSIC_FEATURES = 'avg_distance_bytes,jump_ratio,avg_io_bytes,seq_ratio,iops'
POINTS_BAR, FORWARD_BAR, SOCKET_BAR = 0.5, 30, 150


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('data', nargs='*', help='recordings, as for bpfahead-gen dataset')
    parser.add_argument('--split', help='runs of each part, as `bpfahead-gen dataset --split-out` '
                        'writes them (default: another one for each seed)')
    parser.add_argument('--consolidated', metavar='FILE', help='the classic table instead '
                        '(docs/training.md), with the five classic inputs, linear')
    parser.add_argument('--features', help='inputs (default: those of the shipped model)')
    parser.add_argument('--hidden', default='32,16')
    parser.add_argument('--epochs', type=int, default=300)
    parser.add_argument('--patience', type=int, default=300)
    parser.add_argument('--batch', type=int, default=128)
    parser.add_argument('--rate', type=float, default=1e-3)
    parser.add_argument('--dropout', type=float, default=0.0)
    parser.add_argument('--weight-decay', type=float, default=0.02)
    parser.add_argument('--linear', action='store_true')
    parser.add_argument('--seeds', type=int, default=5, help='how often each trains')
    parser.add_argument('--rounds', type=int, default=21, help='of the inference times; 0: none')
    parser.add_argument('--build', default='build', help='where the programs are')
    return parser.parse_args()


def spread(values, form='{:.2f}', middle=numpy.mean):
    """The middle (least to most)."""
    least, most = form.format(min(values)), form.format(max(values))
    return f'{form.format(middle(values))} ({least} to {most})'


def progress(text):
    print(f'  {text}', file=sys.stderr, flush=True)


class Gen:
    """bpfahead-gen."""

    def __init__(self, build):
        self.program = f'{build}/bpfahead-gen'

    def __call__(self, *words):
        done = subprocess.run([self.program, *map(str, words)], stdout=subprocess.PIPE, text=True,
                              check=False)
        if done.returncode:
            sys.exit(done.returncode)  # it has said why
        return done.stdout

    def evaluate(self, model, data, split):
        return json.loads(self('eval', model, data, '--split', split, '--part', 'test', '--json'))


# --- the same rows for all --------------------------------------------------------------------


def classic_names():
    """Classes and the classic name of each, as the kernel programs have them."""
    text = pathlib.Path('bpf/abi.h').read_text(encoding='utf-8')
    text = text[text.index('#define CLASS_LIST'):text.index('enum class_id')]
    return dict(re.findall(r'X\(\w+, \d+, "([^"]+)", "([^"]+)"\)', text))


class Rows:
    """Standardised inputs and answers of each part."""

    def __init__(self, data, split, scaler):
        with open(split, newline='', encoding='utf-8') as file:
            part_of = {line['run']: line['part'] for line in csv.DictReader(file)}
        columns, labels, parts = [], [], []
        with gzip.open(data, 'rt', newline='') as file:
            for line in csv.DictReader(file):
                columns.append([float(line[name]) for name in scaler['features']])
                labels.append(scaler['classes'].index(line['label']))
                parts.append(part_of[line['run']])
        self.features = numpy.array(columns)
        x = self.features.copy()
        for i, transform in enumerate(scaler['transform']):
            if transform == 'log2':
                x[:, i] = numpy.log2(x[:, i] + 1)
        x = (x - numpy.array(scaler['mean'])) / numpy.array(scaler['scale'])
        self.x = numpy.clip(x, -INPUT_MOST, INPUT_MOST).astype(numpy.float32)
        self.scaler = scaler
        self.y = numpy.array(labels)
        self.part = numpy.array(parts)
        self.classes = scaler['classes']
        classic = classic_names()
        self.classic = numpy.array([classic[name] for name in self.classes])

    def of(self, part):
        chosen = self.part == part
        return self.x[chosen], self.y[chosen]

    def accuracy(self, answers):
        """On the test part, per cent: own classes, classic names."""
        _, y = self.of('test')
        return (100 * (answers == y).mean(),
                100 * (self.classic[answers] == self.classic[y]).mean())


# --- PyTorch ----------------------------------------------------------------------------------


def network(sizes, dropout):
    layers = []
    for i in range(len(sizes) - 1):
        layers.append(torch.nn.Linear(sizes[i], sizes[i + 1]))
        if i + 2 < len(sizes):
            layers += [torch.nn.ReLU(), torch.nn.Dropout(dropout)]
    return torch.nn.Sequential(*layers)


def balanced(y, nr):
    return torch.tensor(len(y) / nr / numpy.bincount(y, minlength=nr), dtype=torch.float32)


def train_torch(rows, options, sizes, seed):
    """As bpfahead-gen trains: Adam on class-balanced cross-entropy, dropout, early stopping."""
    torch.manual_seed(seed)
    x, y = (torch.from_numpy(a) for a in rows.of('train'))
    xv, yv = (torch.from_numpy(a) for a in rows.of('validation'))
    net = network(sizes, options.dropout)
    weights = [p for name, p in net.named_parameters() if name.endswith('weight')]
    biases = [p for name, p in net.named_parameters() if name.endswith('bias')]
    adam = torch.optim.AdamW([{'params': weights, 'weight_decay': options.weight_decay},
                              {'params': biases, 'weight_decay': 0.0}], lr=options.rate)
    loss = torch.nn.CrossEntropyLoss(weight=balanced(y.numpy(), sizes[-1]))
    judge = torch.nn.CrossEntropyLoss(weight=balanced(yv.numpy(), sizes[-1]))
    best, best_epoch, best_state = float('inf'), 0, None
    for epoch in range(options.epochs):
        net.train()
        order = torch.randperm(len(x))
        for begin in range(0, len(x), options.batch):
            some = order[begin:begin + options.batch]
            adam.zero_grad(set_to_none=True)
            loss(net(x[some]), y[some]).backward()
            adam.step()
        net.eval()
        with torch.no_grad():
            now = judge(net(xv), yv).item()
        if now < best:
            best, best_epoch = now, epoch
            best_state = {k: v.clone() for k, v in net.state_dict().items()}
        if epoch - best_epoch >= options.patience:
            break
    net.load_state_dict(best_state)
    return net.eval()


def answers_of(net, rows):
    with torch.no_grad():
        return net(torch.from_numpy(rows.of('test')[0])).argmax(1).numpy()


# --- scikit-learn -----------------------------------------------------------------------------


def train_sklearn(rows, options, sizes, seed):
    """It knows neither dropout nor class weights, and stops by the training loss."""
    net = MLPClassifier(hidden_layer_sizes=sizes[1:-1], batch_size=options.batch,
                        learning_rate_init=options.rate, max_iter=options.epochs,
                        n_iter_no_change=options.patience, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', ConvergenceWarning)  # all epochs are used up: meant so
        return net.fit(*rows.of('train'))


def as_torch(net, sizes):
    """The same network for exporters that know PyTorch."""
    copy = network(sizes, 0.0)
    with torch.no_grad():
        linear = [layer for layer in copy if isinstance(layer, torch.nn.Linear)]
        for layer, weight, bias in zip(linear, net.coefs_, net.intercepts_):
            layer.weight.copy_(torch.from_numpy(weight.T.copy()))
            layer.bias.copy_(torch.from_numpy(bias.copy()))
    return copy.eval()


# --- exchange ---------------------------------------------------------------------------------


def import_accuracy(gen, net, name, work, data, split, width):
    """Through ONNX into the kernel's integers: accuracy there, per cent."""
    torch.onnx.export(net, torch.zeros(1, width), f'{work}/{name}.onnx', input_names=['features'],
                      output_names=['logits'], dynamic_axes={'features': {0: 'windows'}})
    gen('import', f'{work}/{name}.onnx', '--scaler', f'{work}/scaler.json', '-o',
        f'{work}/{name}.bin')
    result = gen.evaluate(f'{work}/{name}.bin', data, split)
    return 100 * result['accuracy'], 100 * result['classic_accuracy']


def check_export(path, rows):
    """What bpfahead-gen exports, by the eyes of the onnx package: sound, and with its answers."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    constant = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    value = {model.graph.input[0].name: rows.of('test')[0].astype(numpy.float64)}
    for node in model.graph.node:
        x = value[node.input[0]]
        if node.op_type == 'Gemm':
            x = x @ constant[node.input[1]].T + constant[node.input[2]]
        elif node.op_type == 'Relu':
            x = numpy.maximum(x, 0)
        else:
            raise ValueError(node.op_type)
        value[node.output[0]] = x
    return rows.accuracy(value[model.graph.output[0].name].argmax(1))


# --- what an inference costs ------------------------------------------------------------------


def run_number(*words, column=0):
    done = subprocess.run([str(w) for w in words], stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.split('\n')[0].split()[column])


class Whole(torch.nn.Module):
    """From features to logits, as the kernel's inference goes."""

    def __init__(self, net, scaler):
        super().__init__()
        self.net = net
        self.register_buffer('mean', torch.tensor(scaler['mean'], dtype=torch.float32))
        self.register_buffer('scale', torch.tensor(scaler['scale'], dtype=torch.float32))
        self.register_buffer('log2', torch.tensor([t == 'log2' for t in scaler['transform']]))
        self.takes_logarithms = bool(self.log2.any())

    def forward(self, x):
        if self.takes_logarithms:
            x = torch.where(self.log2, torch.log2(x + 1), x)
        return self.net(torch.clamp((x - self.mean) / self.scale, -INPUT_MOST, INPUT_MOST))


def save_torchscript(net, rows, work):
    """The network alone and from features on, each with the rows of the test part."""
    whole, features = Whole(net, rows.scaler).eval(), rows.features[rows.part == 'test']
    features, inputs = features.astype(numpy.float32), rows.of('test')[0]
    for name, module, of in (('net', net, inputs), ('whole', whole, features)):
        torch.jit.trace(module, torch.from_numpy(of[:1])).save(f'{work}/{name}.pt')
        of.tofile(f'{work}/{name}.rows')
    with torch.no_grad():
        agreement = (whole(torch.from_numpy(features)).argmax(1).numpy() ==
                     answers_of(net, rows)).mean()
    if agreement < 0.999:
        sys.exit(f'compare.py: both TorchScript models agree on {100 * agreement:.2f} % only')


def inference_times(options, net, rows, model, work):
    """Of rounds in which the kernel, the forward and the socket take turns."""
    width, program, times = rows.x.shape[1], f'{options.build}/peers/torchscript', {}
    save_torchscript(net, rows, work)
    with subprocess.Popen([program, 'serve', f'{work}/whole.pt', str(width), f'{work}/socket'],
                          stdin=subprocess.PIPE) as server:
        try:
            while not os.path.exists(f'{work}/socket'):
                if server.poll() is not None:
                    sys.exit('compare.py: the TorchScript server did not start')
                time.sleep(0.05)
            for i in range(options.rounds):
                progress(f'inference times, round {i + 1} of {options.rounds}')
                measured = {'kernel': run_number(f'{options.build}/bench/decision', 'model',
                                                 model, 100000, 3, column=4)}
                for name in 'net', 'whole':
                    measured[name] = run_number(program, 'forward', f'{work}/{name}.pt',
                                                f'{work}/{name}.rows', width, 10000)
                measured['socket'] = run_number(program, 'ask', f'{work}/socket',
                                                f'{work}/whole.rows', width, 5000)
                for name, value in measured.items():
                    times.setdefault(name, []).append(value)
        finally:
            server.stdin.close()
    return times


# --- all together -----------------------------------------------------------------------------


def prepare(gen, options, work):
    """One file of all rows."""
    data = f'{work}/data.csv.gz'
    if options.consolidated:
        options.features, options.linear = CLASSIC_FEATURES, True
        gen('dataset', '-o', data, '--format', 'consolidated', options.consolidated)
    else:
        gen('dataset', '-o', data, *(options.data or ['weights/data/default.csv.gz']))
    return data


def draw_runs(data, split, seed):
    """One run of each class tests, another one validates."""
    with gzip.open(data, 'rt', newline='') as file:
        runs = sorted({(line['label'], line['run']) for line in csv.DictReader(file)})
    random = numpy.random.default_rng(seed)
    with open(split, 'w', newline='', encoding='utf-8') as file:
        out = csv.writer(file, lineterminator='\n')
        out.writerow(('run', 'label', 'profile', 'part'))
        for label in sorted({label for label, _ in runs}):
            names = [name for of, name in runs if of == label]
            for place, i in enumerate(random.permutation(len(names))):
                part = ('test', 'validation')[place] if place < 2 else 'train'
                out.writerow((names[i], label, '', part))


def split_of(gen, options, data, seed, work):
    if options.split:
        return options.split
    split = f'{work}/split.csv'
    if options.consolidated:  # its runs are few and of no device profile
        draw_runs(data, split, seed)
        return split
    gen('dataset', data, '-o', f'{work}/again.csv.gz', '--split-out', split, '--seed', seed)
    return split


def train_c(gen, options, data, split, seed, model):
    words = ['train', data, '--split', split, '-o', model, '--keep-float', '--seed', seed]
    for name in ('hidden', 'epochs', 'patience', 'batch', 'rate', 'dropout', 'weight_decay'):
        words += [f'--{name.replace("_", "-")}', getattr(options, name)]
    if options.features:
        words += ['--features', options.features]
    if options.linear:
        words.append('--linear')
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    gen(*words)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def timed(function, *words):
    began = time.process_time()
    result = function(*words)
    return result, time.process_time() - began


def verdict(met):
    return 'met' if met else 'MISSED'


def print_accuracy(own, classic, seconds, titles):
    print(f'{"":48}{"own classes, %":>26}{"classic names, %":>26}{"training, CPU s":>24}')
    for name, title in titles.items():
        times = spread(seconds[name], '{:.1f}') if name in seconds else ''
        print(f'{title:48}{spread(own[name]):>26}{spread(classic[name]):>26}{times:>24}')


def print_times(times):
    print(f'{"ns for one window":48}{"median (quartiles)":>26}'
          f'{"times the kernel (least to most)":>36}')
    titles = {'kernel': 'kernel, features to class', 'net': 'TorchScript in C++, the network alone',
              'whole': 'TorchScript in C++, features to class',
              'socket': 'TorchScript behind a Unix socket'}
    bars = {'net': FORWARD_BAR, 'socket': SOCKET_BAR}
    for name, title in titles.items():
        low, middle, high = numpy.percentile(times[name], (25, 50, 75))
        text = f'{title:48}{f"{middle:.0f} ({low:.0f} to {high:.0f})":>26}'
        ratios = [a / b for a, b in zip(times[name], times['kernel'])]
        if name != 'kernel':
            text += f'{spread(ratios, "{:.0f}", numpy.median):>36}'
        if name in bars:
            text += f'  >= {bars[name]}x: {verdict(numpy.median(ratios) >= bars[name])}'
        print(text)


def main():
    options = arguments()
    gen, own, classic, seconds = Gen(options.build), {}, {}, {}
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix='bpfahead-peers.') as work:
        data = prepare(gen, options, work)

        def note(name, accuracy, time_taken=None):
            own.setdefault(name, []).append(accuracy[0])
            classic.setdefault(name, []).append(accuracy[1])
            if time_taken is not None:
                seconds.setdefault(name, []).append(time_taken)

        rows = sizes = net = None
        for seed in range(1, options.seeds + 1):
            progress(f'training with seed {seed} of {options.seeds}')
            model, split = f'{work}/c.bin', split_of(gen, options, data, seed, work)
            taken = train_c(gen, options, data, split, seed, model)
            result = gen.evaluate(model, data, split)
            note('c', (100 * result['accuracy'], 100 * result['classic_accuracy']), taken)
            gen('export', f'{work}/c.float.json', '--onnx', f'{work}/c.onnx', '--scaler',
                f'{work}/scaler.json')
            with open(f'{work}/scaler.json', encoding='utf-8') as file:
                rows = Rows(data, split, json.load(file))
            sizes = (rows.x.shape[1], *map(int, options.hidden.split(',')), len(rows.classes))
            note('exported', check_export(f'{work}/c.onnx', rows))
            other, taken = timed(train_sklearn, rows, options, sizes, seed)
            note('sklearn', rows.accuracy(other.predict(rows.of('test')[0])), taken)
            note('sklearn int8', import_accuracy(gen, as_torch(other, sizes), 'sklearn', work,
                                                 data, split, sizes[0]))
            net, taken = timed(train_torch, rows, options, sizes, seed)
            note('torch', rows.accuracy(answers_of(net, rows)), taken)
            note('torch int8', import_accuracy(gen, net, 'torch', work, data, split, sizes[0]))
        print(f'{"-".join(map(str, sizes))}, inputs {",".join(rows.scaler["features"])}')
        print(', '.join(f'{(rows.part == part).sum()} windows {text}' for part, text in (
            ('train', 'train'), ('validation', 'validate'), ('test', 'test'))) +
            f'; mean (least to most) of {options.seeds} seeds' +
            ('' if options.split else ', each with its own split; the last has these numbers'))
        print_accuracy(own, classic, seconds, {
            'c': 'bpfahead-gen, kernel integers', 'torch': f'PyTorch {torch.__version__}',
            'sklearn': f'scikit-learn {sklearn.__version__}',
            'exported': 'bpfahead-gen, exported, by onnx', 'torch int8': 'PyTorch, imported',
            'sklearn int8': 'scikit-learn, imported'})
        for title, of in (('own classes', own), ('classic names', classic)):
            ahead = numpy.mean(of['c']) - max(numpy.mean(of['torch']), numpy.mean(of['sklearn']))
            print(f'bpfahead-gen against the better one, {title}: {ahead:+.2f} points  '
                  f'>= -{POINTS_BAR}: {verdict(ahead >= -POINTS_BAR)}')
        if options.rounds:
            print_times(inference_times(options, net, rows, f'{work}/c.bin', work))


if __name__ == '__main__':
    main()
