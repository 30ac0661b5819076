import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { verifyCommand } from '../../src/cli/verify.ts';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { writeModel } from '../../src/onnx/write.ts';
import { temporaryFolder } from '../files.ts';
import { floats } from '../verify/numpy.ts';

it('ends with an error that names the output and its place when the model differs', async () => {
  const folder = temporaryFolder();
  const [model, x, y] = ['m.onnx', 'x.npy', 'y.npy'].map((name) => join(folder, name));
  if (!model || !x || !y) throw new Error('Three names make three paths');
  const graph = new GraphBuilder();
  const input = graph.input('x', 'float32', ['N', 2]);
  graph.output(graph.rename(graph.add('Neg', [input]), 'y'));
  await writeModel(model, graph, { name: 'm' });
  writeFileSync(x, floats([1, 2], [1, 2]));
  writeFileSync(y, floats([1, 2], [-1, 2]));
  vi.spyOn(console, 'log').mockReturnValue(undefined);
  const verified = verifyCommand().parseAsync([model, '--against', x, y], { from: 'user' });
  await expect(verified).rejects.toMatchObject({ code: 'REFERENCE_DIFFERS' });
  await expect(verified).rejects.toThrow(/"y"/);
});
