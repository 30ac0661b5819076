// Time of one fine-tuning step, against Keras 3 on TensorFlow and on PyTorch, on the CPU.
//
//   npm run build && node bench/finetune-step.mjs [--python python3] [--torch python3] [--batch 16,32]
//       [--network block5,dense] [--runs 3] [--dist dist] [--operators]
//
// block5: the last convolution block of VGG16 (3 × 512 channels of 14 × 14) and a Dense(2), 7.1 million parameters.
// dense: its Dense stack with Dropouts and a Dense(2), 119.6 million parameters. Adam. They take turns, each as a process
// of its own with all cores; of each process the first two steps warm up. --python has keras and tensorflow, --torch
// has keras and torch; one that is given as "none" is left out. Goal: 1.0 times Keras' step, at most 1.5. Where other
// programs want the cores as well, the CPU's seconds say more than the clock's. --operators tells instead what graft's
// own step consists of.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { here, median, printTable } from './process.mjs';

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    torch: { type: 'string', default: 'none' },
    batch: { type: 'string', default: '16,32' },
    network: { type: 'string', default: 'block5,dense' },
    runs: { type: 'string', default: '3' },
    dist: { type: 'string', default: here('../dist') },
    child: { type: 'boolean', default: false },
    operators: { type: 'boolean', default: false },
  },
});
const steps = 8;

if (values.child) await child();
else parent();

/** Prints the milliseconds of each step, by the clock and of the CPU, as JSON, and where they went. */
async function child() {
  const profile = values.operators ? await profiling() : undefined;
  const url = pathToFileURL(join(values.dist, 'index.js')).href;
  const { GraphBuilder, floatSource, makeOptimizer, openNetworkTraining } = await import(url);
  const graph = new GraphBuilder();
  const parameters = [];
  const weight = (name, shape, limit) => {
    parameters.push({ name });
    const size = shape.reduce((product, dim) => product * dim, 1);
    const numbers = Float32Array.from({ length: size }, (_, i) => {
      return (((i * 7919) % 1000) / 500 - 1) * limit;
    });
    return graph.initializer(name, floatSource(shape, numbers));
  };
  const isConv = values.network === 'block5';
  const shape = isConv ? [512, 14, 14] : [25088];
  const input = graph.input('features', 'float32', ['n', ...shape]);
  const [top, width] = isConv
    ? [block(graph, weight, input), 25088]
    : [dense(graph, weight, input), 4096];
  const scores = graph.add(
    'Gemm',
    [top, weight('head', [width, 2], 0.02), weight('head_bias', [2], 0)],
    {},
  );
  graph.output(graph.add('Softmax', [scores], { axis: -1 }));
  const dropout = isConv
    ? []
    : graph.nodes
        .filter(({ op }) => op === 'Relu')
        .map((node) => ({ at: node.outputs[0].name, rate: 0.5 }));
  const count = Number(values.batch);
  const training = await openNetworkTraining({
    graph,
    parameters,
    dropout,
    loss: 'categorical_crossentropy',
    optimizer: makeOptimizer({ name: 'adam', learningRate: 1e-5 }),
    batchSize: count,
  });
  const size = shape.reduce((product, dim) => product * dim, count);
  const features = Float32Array.from({ length: size }, (_, i) => ((i * 7919) % 1000) / 1000);
  const targets = Float32Array.from({ length: count * 2 }, (_, i) =>
    (i >> 1) % 2 === i % 2 ? 1 : 0,
  );
  const times = [];
  for (let step = 0; step < steps; step++) {
    const start = performance.now();
    const before = process.cpuUsage();
    await training.step({ inputs: [features], targets, count }, { learningRate: 1e-5, seed: step });
    const { user, system } = process.cpuUsage(before);
    times.push({ clock: performance.now() - start, cpu: (user + system) / 1000 });
  }
  await training.close();
  process.stdout.write(JSON.stringify({ times, ...profile?.() }));
}

/** Makes onnxruntime write down when each node ran; what is returned reads that. */
async function profiling() {
  const { InferenceSession } = await import('onnxruntime-node');
  const folder = mkdtempSync(join(tmpdir(), 'finetune-step-'));
  const create = InferenceSession.create.bind(InferenceSession);
  InferenceSession.create = async (model, options) => {
    const profileFilePrefix = join(folder, 'profile');
    const session = await create(model, { ...options, enableProfiling: true, profileFilePrefix });
    const release = session.release.bind(session);
    session.release = () => {
      session.endProfiling();
      return release();
    };
    return session;
  };
  return () => {
    const [file = ''] = readdirSync(folder);
    const events = JSON.parse(readFileSync(join(folder, file), 'utf8'));
    rmSync(folder, { recursive: true });
    return operatorsOf(events);
  };
}

/** Milliseconds of a run, and in it of each kind of node: what it is for, its operator, the shapes that go in. */
function operatorsOf(events) {
  const kinds = new Map();
  const runs = events.filter(({ name }) => name === 'model_run').map(({ dur }) => dur);
  let purpose = '';
  for (const { cat, name, dur, args } of events) {
    if (name === 'model_run') purpose = '';
    if (cat !== 'Node' || !name.endsWith('_kernel_time')) continue;
    purpose ||= 'forward';
    const shapes = args.input_type_shape.map((shape) => `[${Object.values(shape)[0]}]`);
    const key = [purpose, args.op_name, shapes.join(' ')].join('\t');
    kinds.set(key, [...(kinds.get(key) ?? []), dur]);
    // The scores of two classes are the last of the way forward.
    if (String(Object.values(args.output_type_shape[0] ?? {})[0]).endsWith(',2'))
      purpose = 'gradient';
  }
  const operators = [...kinds].map(([key, list]) => {
    const count = list.length / runs.length;
    return [...key.split('\t'), count, (median(list) * count) / 1000];
  });
  return { operators, run: median(runs) / 1000 };
}

function block(graph, weight, input) {
  const window = { kernel_shape: [3, 3], strides: [1, 1], dilations: [1, 1], group: 1 };
  let x = input;
  for (const name of ['conv5_1', 'conv5_2', 'conv5_3']) {
    const kernel = weight(name, [512, 512, 3, 3], 0.036);
    const bias = weight(`${name}_bias`, [512], 0);
    const maps = graph.add('Conv', [x, kernel, bias], { ...window, pads: [1, 1, 1, 1] });
    x = graph.add('Relu', [maps]);
  }
  const pool = { kernel_shape: [2, 2], strides: [2, 2], pads: [0, 0, 0, 0] };
  return graph.add('Flatten', [graph.add('MaxPool', [x], pool)], { axis: 1 });
}

function dense(graph, weight, input) {
  const fc1 = [input, weight('fc1', [25088, 4096], 0.014), weight('fc1_bias', [4096], 0)];
  const hidden = graph.add('Relu', [graph.add('Gemm', fc1, {})]);
  const fc2 = [hidden, weight('fc2', [4096, 4096], 0.027), weight('fc2_bias', [4096], 0)];
  return graph.add('Relu', [graph.add('Gemm', fc2, {})]);
}

function parent() {
  const script = fileURLToPath(import.meta.url);
  const peer = here('finetune_step.py');
  for (const network of values.network.split(',')) {
    for (const batch of values.batch.split(',')) {
      const own = ['--child', '--network', network, '--batch', batch, '--dist', values.dist];
      const contenders = {
        graft: [process.execPath, [script, ...own]],
        'Keras on TensorFlow': [values.python, [peer, 'tensorflow', network, batch, steps]],
        'Keras on PyTorch': [values.torch, [peer, 'torch', network, batch, steps]],
      };
      const title = `${network}, batch ${batch}`;
      if (values.operators) explain(title, contenders.graft);
      else compare(title, contenders);
    }
  }
}

function compare(title, contenders) {
  const known = Object.entries(contenders).filter(([, [command]]) => command !== 'none');
  const times = Object.fromEntries(known.map(([name]) => [name, []]));
  for (let run = 0; run < Number(values.runs); run++) {
    for (const [name, [command, args]] of known) times[name].push(...timesOf(command, args).times);
  }
  const ofAll = (name, kind, choose) => choose(times[name].map((time) => time[kind]));
  const columns = [
    ['clock', median],
    ['clock', least],
    ['cpu', median],
    ['cpu', least],
  ];
  printTable(
    [title, 'clock, ms (median, least)', 'CPU, ms (median, least)', 'graft takes, times'],
    known.map(([name]) => {
      const own = columns.map(([kind, choose]) => ofAll(name, kind, choose));
      const ratios = columns.map(([kind, choose], i) => ofAll('graft', kind, choose) / own[i]);
      const [clock, , cpu] = ratios.map((ratio) => ratio.toFixed(2));
      const [a, b, c, d] = own.map((time) => time.toFixed(0));
      return [name, `${a}, ${b}`, `${c}, ${d}`, `clock ${clock}, CPU ${cpu}`];
    }),
  );
}

/** Prints what graft's step consists of: nodes as onnxruntime timed them, and what remains. */
function explain(title, [command, args]) {
  const { times, operators, run } = timesOf(command, [...args, '--operators']);
  const step = median(times.map(({ clock }) => clock));
  const large = operators.filter((row) => row.at(-1) >= step / 200);
  const small = operators.filter((row) => !large.includes(row));
  const rows = [
    ...large,
    ['', `${small.length} other kinds`, '', '', total(small)],
    ['', 'between nodes', '', '', run - total(operators)],
    ['update', 'gradients by factors, optimizer', '', '', step - run],
  ];
  printTable(
    [title, 'operator', 'inputs', 'nodes', 'ms', '%'],
    rows.map((row) => [...row.slice(0, -1), row.at(-1).toFixed(1), percent(row.at(-1), step)]),
  );
}

function total(rows) {
  return rows.reduce((sum, row) => sum + row.at(-1), 0);
}

function least(numbers) {
  return Math.min(...numbers);
}

function percent(part, whole) {
  return ((100 * part) / whole).toFixed(1);
}

/** What a process measured, without its first two steps. */
function timesOf(command, args) {
  const { stdout, stderr, status } = spawnSync(command, args.map(String), { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} failed:\n${stderr}`);
  const measured = JSON.parse(stdout.trim().split('\n').at(-1));
  return { ...measured, times: measured.times.slice(2) };
}
