// A model of 2.2 GB from end to end: converted into a graph and its external data, loaded, run, and refused by pack.
//
//   npm run build && node bench/large.mjs --python python3 [--folder <with 5 GB free>] [--dist dist]
//
// Loads it with onnxruntime twice, by its path and mapped as graft does, and compares one row of the weights. Needs about
// 5 GB of disk and memory; all files are removed at the end.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import * as ort from 'onnxruntime-node';
import { here, timedNode } from './process.mjs';

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    folder: { type: 'string', default: tmpdir() },
    dist: { type: 'string', default: here('../dist') },
  },
});
const { openSession } = await import(pathToFileURL(join(values.dist, 'index.js')).href);
const [rows, columns, row] = [22_000, 25_000, 12_345];
const cli = join(values.dist, 'cli.js');
const folder = mkdtempSync(join(values.folder, 'graft-bench-'));

const x = new Float32Array(rows);
x[row] = 1;

function check(how, y) {
  const wrong = y.findIndex((found, j) => {
    const expected = ((31 * row + 17 * j) % 97) / 97;
    return Math.abs(found - expected) > 1e-6;
  });
  if (y.length !== columns || wrong >= 0) throw new Error(`${how}: number ${wrong} is ${y[wrong]}`);
  process.stdout.write(`${how}: ${columns} numbers as they should be\n`);
}

try {
  const [file, onnx] = [join(folder, 'large.h5'), join(folder, 'large.onnx')];
  execFileSync(values.python, [here('make_large.py'), file]);
  const { wallMs, peakMiB } = await timedNode(cli, ['convert', file, '-o', onnx]);
  rmSync(file);
  const [graph, data] = [onnx, `${onnx}.data`].map((path) => statSync(path).size);
  process.stdout.write(
    `converted in ${(wallMs / 1000).toFixed(1)} s, ${(peakMiB * 1.048576).toFixed(0)} MB resident: ` +
      `${graph} bytes of graph, ${data} bytes of data\n`,
  );

  const mapped = await openSession({ path: onnx }, { prepack: false });
  const [input] = mapped.inputs;
  const tensor = { dtype: 'float32', shape: [1, rows], data: x };
  check('mapped', Object.values(await mapped.run({ [input.name]: tensor }))[0].data);
  await mapped.close();

  const plain = await ort.InferenceSession.create(onnx, {
    extra: { session: { disable_prepacking: '1' } },
  });
  const feeds = { [plain.inputNames[0]]: new ort.Tensor('float32', x, [1, rows]) };
  check('by its path', Object.values(await plain.run(feeds))[0].data);
  await plain.release();

  const packed = spawnSync(process.execPath, [cli, 'pack', onnx, join(folder, 'one.onnx')], {
    encoding: 'utf8',
  });
  process.stdout.write(`pack: exit ${packed.status}, ${packed.stderr.split('\n')[0]}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
