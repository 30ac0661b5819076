import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { writeModel } from '../../src/onnx/write.ts';
import { sourceOf } from '../../src/source.ts';
import { temporaryFolder } from '../files.ts';

it('a model of more than 2 GiB gets its weights in a second file, and one that fails leaves nothing', async () => {
  const graph = new GraphBuilder();
  const x = graph.input('x', 'float32', ['N', 1]);
  // 600 million numbers of 4 bytes; whoever asks for one sees what is being written, and gets this error instead.
  const path = join(temporaryFolder(), 'large.onnx');
  const numbers = sourceOf('float32', [1, 600_000_000], () => {
    throw new Error('A weight was read');
  });
  graph.output(graph.add('MatMul', [x, graph.initializer('w', numbers)]));
  await expect(writeModel(path, graph, { name: 'large' })).rejects.toThrow('A weight was read');
  expect(existsSync(path)).toBe(false);
  expect(existsSync(`${path}.data`)).toBe(false);
});
