// Largest resident set of a training whose features are held in memory, and of one that reads them from the cache.
//
//   npm run build && node bench/features-memory.mjs --model model.onnx --photos folder --train conv_pw_3 [--at value]
//     [--dist dist]
//
// Each runs twice, and the second time is measured: the features are on disk by then.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { here, printTable, timedNode } from './process.mjs';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    photos: { type: 'string' },
    train: { type: 'string', default: 'head' },
    at: { type: 'string' },
    dist: { type: 'string', default: here('../dist') },
  },
});
const folder = mkdtempSync(join(tmpdir(), 'graft-bench-'));
try {
  const rows = [];
  for (const memory of [4 * 2 ** 30, 1]) {
    const command = [
      'train',
      values.model,
      values.photos,
      '--train',
      values.train,
      '--epochs',
      '1',
    ];
    const place = ['--cache', join(folder, 'cache'), '-o', join(folder, 'tuned.onnx'), '--force'];
    const few = ['--batch', '16', '--no-checkpoints', '--no-baselines', '--memory', String(memory)];
    const args = [...command, ...place, ...few, ...(values.at ? ['--at', values.at] : [])];
    const cli = join(values.dist, 'cli.js');
    await timedNode(cli, args);
    const { wallMs, peakMiB } = await timedNode(cli, args);
    rows.push([String(memory), peakMiB.toFixed(0), (wallMs / 1000).toFixed(1)]);
  }
  printTable(['--memory', 'peak MiB', 'seconds'], rows);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
