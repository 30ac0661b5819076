// Time and memory of a whole `graft convert`, against a plain copy of the same file by Node and by cp.
//
//   python bench/make_vgg16.py vgg16.h5 && npm run build
//   node bench/convert.mjs vgg16.h5 [--runs 5] [--folder <where the outputs go>] [--dist dist]
//
// The three take turns, each as a process of its own, on a file that lies in the page cache. Goals: not more than
// 1.5 times Node's copy, less than 200 MB resident.
import { rmSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { here, median, printTable, timed, timedNode } from './process.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '5' },
    folder: { type: 'string' },
    dist: { type: 'string', default: here('../dist') },
  },
});
const input = resolve(positionals[0]);
const folder = values.folder ?? dirname(input);
const [onnx, copy] = [join(folder, 'bench.onnx'), join(folder, 'bench-copy.h5')];
const cli = join(values.dist, 'cli.js');

const contenders = {
  'graft convert': () => timedNode(cli, ['convert', input, '-o', onnx, '--force']),
  'copy by Node': () => timedNode(here('copy.mjs'), [input, copy]),
  cp: () => timed('cp', [input, copy]),
};
const measured = Object.fromEntries(Object.keys(contenders).map((name) => [name, []]));
// Reads the file into the page cache
await timed('cp', [input, '/dev/null']);
try {
  for (let run = 0; run < Number(values.runs); run++) {
    for (const [name, contender] of Object.entries(contenders)) {
      rmSync(onnx, { force: true });
      rmSync(copy, { force: true });
      measured[name].push(await contender());
    }
  }
} finally {
  rmSync(onnx, { force: true });
  rmSync(copy, { force: true });
}

const wall = (name) => median(measured[name].map(({ wallMs }) => wallMs));
const peak = (name) => Math.max(...measured[name].map(({ peakMiB }) => peakMiB ?? Number.NaN));
process.stdout.write(
  `${input}: ${(statSync(input).size / 1e6).toFixed(1)} MB, median of ${values.runs}, node ${process.version}\n`,
);
printTable(
  ['', 'wall, s', 'of the copy', 'fastest, s', 'peak RSS, MiB'],
  Object.keys(contenders).map((name) => [
    name,
    (wall(name) / 1000).toFixed(2),
    (wall(name) / wall('copy by Node')).toFixed(2),
    (Math.min(...measured[name].map(({ wallMs }) => wallMs)) / 1000).toFixed(2),
    Number.isNaN(peak(name)) ? '' : peak(name).toFixed(0),
  ]),
);
