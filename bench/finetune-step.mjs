// Time of one fine-tuning step, against Keras 3 on TensorFlow and on PyTorch, on the CPU.
//
//   npm run build && node bench/finetune-step.mjs [--python python3] [--torch python3] [--batch 16,32]
//       [--network block5,dense] [--runs 3] [--dist dist]
//
// block5: the last convolution block of VGG16 (3 × 512 channels of 14 × 14) and a Dense(2), 7.1 million parameters.
// dense: its Dense stack with Dropouts and a Dense(2), 119.6 million parameters. Adam. They take turns, each as a process
// of its own with all cores; of each process the first two steps warm up. --python has keras and tensorflow, --torch
// has keras and torch; one that is given as "none" is left out. Goal: 1.0 times Keras' step, at most 1.5.
import { spawnSync } from 'node:child_process';
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
  },
});
const steps = 8;

if (values.child) await child();
else parent();

/** Prints the milliseconds of each step as JSON. */
async function child() {
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
    await training.step({ inputs: [features], targets, count }, { learningRate: 1e-5, seed: step });
    times.push(performance.now() - start);
  }
  await training.close();
  process.stdout.write(JSON.stringify(times));
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
      compare(`${network}, batch ${batch}`, contenders);
    }
  }
}

function compare(title, contenders) {
  const known = Object.entries(contenders).filter(([, [command]]) => command !== 'none');
  const times = Object.fromEntries(known.map(([name]) => [name, []]));
  for (let run = 0; run < Number(values.runs); run++) {
    for (const [name, [command, args]] of known) times[name].push(...timesOf(command, args));
  }
  const ours = times.graft;
  printTable(
    [title, 'step, ms (median)', 'fastest, ms', 'graft takes, times', 'by the fastest'],
    known.map(([name]) => [
      name,
      median(times[name]).toFixed(0),
      Math.min(...times[name]).toFixed(0),
      (median(ours) / median(times[name])).toFixed(2),
      (Math.min(...ours) / Math.min(...times[name])).toFixed(2),
    ]),
  );
}

/** Step times without the first two. */
function timesOf(command, args) {
  const { stdout, stderr, status } = spawnSync(command, args.map(String), { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} failed:\n${stderr}`);
  return JSON.parse(stdout.trim().split('\n').at(-1)).slice(2);
}
