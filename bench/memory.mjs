// The largest resident set of a conversion of 550 MB, for every layout in which Keras kept a VGG16.
//
//   npm run build && node bench/memory.mjs --python python3 [--folder <where the files go>] [--layouts k1,k2] [--dist dist]
//
// Each is a process of its own, after the file was made by bench/make_vgg16.py (with numpy and h5py). Goal: less than
// 250 MB resident, whatever must be moved on the way.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { here, printTable, timedNode } from './process.mjs';

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    folder: { type: 'string', default: tmpdir() },
    layouts: { type: 'string', default: 'k1,k0,k2,k3' },
    dist: { type: 'string', default: here('../dist') },
  },
});

const goalMB = 250;
const layouts = {
  k1: { extension: '.h5', title: 'Keras 1, Theano, channels first' },
  k0: { extension: '.h5', title: 'Keras 0.3', hasArchitecture: true },
  k2: { extension: '.h5', title: 'Keras 2, kernels HWIO, Dense rows moved' },
  k3: { extension: '.keras', title: 'Keras 3 zip, kernels HWIO, Dense rows moved' },
};

async function measured(layout) {
  const folder = mkdtempSync(join(values.folder, 'graft-bench-'));
  try {
    const { extension, title, hasArchitecture } = layouts[layout];
    const file = join(folder, `vgg16${extension}`);
    execFileSync(values.python, [here('make_vgg16.py'), file, '--layout', layout]);
    const output = join(folder, 'vgg16.onnx');
    const arch = hasArchitecture ? ['--arch', `${file}.json`] : [];
    const args = ['convert', file, '-o', output, '--force', ...arch];
    const { wallMs, peakMiB } = await timedNode(join(values.dist, 'cli.js'), args);
    return {
      title,
      bytes: statSync(file).size,
      seconds: wallMs / 1000,
      peakMB: peakMiB * 1.048576,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const results = [];
for (const layout of values.layouts.split(',')) results.push(await measured(layout));
printTable(
  ['', 'file, MB', 'wall, s', 'peak RSS, MB'],
  results.map(({ title, bytes, seconds, peakMB }) => [
    title,
    (bytes / 1e6).toFixed(0),
    seconds.toFixed(2),
    peakMB.toFixed(0),
  ]),
);
process.exitCode = results.every(({ peakMB }) => peakMB < goalMB) ? 0 : 1;
