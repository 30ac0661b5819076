import { readFileSync } from 'node:fs';
import { mkdtemp, rename, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { readModel } from '../../src/onnx/read.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { onnxruntimeVersion, openSession, type Tensor } from '../../src/runtime/session.ts';
import type { DType } from '../../src/tensor.ts';
import { expectFault } from './fault.ts';
import { saveModel, smallNet } from './models.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'graft-session-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const image: Tensor = {
  dtype: 'float32',
  shape: [2, 3, 16, 16],
  data: Float32Array.from({ length: 2 * 3 * 256 }, (_, i) => Math.cos(i)),
};

/** Model bytes of y = relu(x) over `shape`. */
function reluModel(
  dtype: DType = 'float32',
  shape: readonly (number | string)[] = ['N'],
): Uint8Array {
  const graph = new GraphBuilder();
  graph.output(graph.rename(graph.add('Relu', [graph.input('x', dtype, shape)]), 'y'));
  return encodeModel(graph, { name: 'relu' });
}

describe('openSession', () => {
  it('runs a model in memory', async () => {
    const session = await openSession(reluModel());
    const { y } = await session.run({
      x: { dtype: 'float32', shape: [3], data: Float32Array.of(-1, 0, 2) },
    });
    await session.close();
    expect(y).toEqual({ dtype: 'float32', shape: [3], data: Float32Array.of(0, 0, 2) });
  });

  it('says what goes in and comes out', async () => {
    const session = await openSession(encodeModel(smallNet(), { name: 'net' }));
    await session.close();
    expect(session.inputs).toEqual([{ name: 'image', dtype: 'float32', shape: ['N', 3, 16, 16] }]);
    expect(session.outputs).toEqual([{ name: 'probabilities', dtype: 'float32', shape: ['N', 4] }]);
    expect(session.isPartlyOnCpu).toBe(false);
  });

  it.each([true, false])(
    'gives a file the same answer as its bytes, prepacked or not (%s)',
    async (prepack) => {
      const path = join(folder, 'nét.onnx');
      await saveModel(path, smallNet(), {});
      const whole = await openSession(new Uint8Array(readFileSync(path)), { prepack });
      const mapped = await openSession({ path }, { prepack });
      const expected = await whole.run({ image });
      const found = await mapped.run({ image });
      await whole.close();
      await mapped.close();
      expect(found['probabilities']).toEqual(expected['probabilities']);
    },
  );

  it('maps a file behind a link, and keeps running when the file is renamed', async () => {
    const path = join(folder, 'real.onnx');
    const link = join(folder, 'link.onnx');
    await saveModel(path, smallNet(), {});
    await symlink(path, link);
    const session = await openSession({ path: link });
    const before = await session.run({ image });
    await rename(path, join(folder, 'moved.onnx'));
    expect(await session.run({ image })).toEqual(before);
    await session.close();
  });

  it('cuts a stored model at the values asked for', async () => {
    const path = join(folder, 'cut.onnx');
    await saveModel(path, smallNet(), {});
    const session = await openSession(readModel(path), { outputs: ['flatten'] });
    const { flatten } = await session.run({ image });
    await session.close();
    expect(flatten?.shape).toEqual([2, 8 * 8 * 8]);
  });

  it('computes only the outputs that are fetched', async () => {
    const graph = smallNet();
    const flatten = graph.nodes.find(({ op }) => op === 'Flatten')?.outputs[0];
    if (flatten) graph.output(flatten);
    const session = await openSession(encodeModel(graph, { name: 'net' }));
    expect(Object.keys(await session.run({ image }, ['flatten']))).toEqual(['flatten']);
    expect(Object.keys(await session.run({ image }))).toEqual(['probabilities', 'flatten']);
    await session.close();
  });

  it('carries whole numbers and float16 as they are', async () => {
    const graph = new GraphBuilder();
    const whole = graph.input('whole', 'int64', [2]);
    const half = graph.input('half', 'float16', [2]);
    graph.output(graph.rename(graph.add('Add', [whole, whole]), 'doubled'));
    graph.output(graph.rename(graph.add('Identity', [half]), 'same'));
    const session = await openSession(encodeModel(graph, { name: 'kinds' }));
    const results = await session.run({
      whole: { dtype: 'int64', shape: [2], data: BigInt64Array.of(3n, -4n) },
      half: { dtype: 'float16', shape: [2], data: Uint16Array.of(0x3c00, 0xc000) },
    });
    await session.close();
    expect(results['doubled']?.data).toEqual(BigInt64Array.of(6n, -8n));
    expect(results['same']).toEqual({
      dtype: 'float16',
      shape: [2],
      data: Uint16Array.of(0x3c00, 0xc000),
    });
  });

  it('says what the model takes when it was given something else', async () => {
    const session = await openSession(encodeModel(smallNet(), { name: 'net' }));
    const wrong: Tensor = { dtype: 'float32', shape: [1, 3, 8, 8], data: new Float32Array(192) };
    await expectFault(session.run({ image: wrong }), {
      code: 'RUNTIME_FAILED',
      says: 'It takes "image", float32 [N, 3, 16, 16].',
    });
    await expectFault(session.run({ picture: image }), { code: 'RUNTIME_FAILED' });
    await session.close();
  });

  it('wraps the words of onnxruntime for a broken model', async () => {
    await expectFault(openSession(Uint8Array.of(8, 8, 1, 2)), { code: 'RUNTIME_FAILED' });
  });

  it('names the file that does not exist', async () => {
    const path = join(folder, 'none.onnx');
    await expectFault(openSession({ path }), { code: 'FILE_MISSING', file: path });
  });

  it('refuses to run once closed, and closes twice without harm', async () => {
    const session = await openSession(reluModel());
    await session.close();
    await session.close();
    await expectFault(session.run({}), { code: 'RUNTIME_FAILED' });
  });

  it('names the one command when onnxruntime-node is not installed', async () => {
    vi.doMock('onnxruntime-node', () => {
      throw new Error("Cannot find package 'onnxruntime-node'");
    });
    await expectFault(openSession(reluModel()), {
      code: 'RUNTIME_MISSING',
      says: `ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node@${onnxruntimeVersion}`,
    });
    vi.doUnmock('onnxruntime-node');
  });

  it('asks for the version that package.json has', () => {
    const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
    const manifest = z
      .object({ optionalDependencies: z.record(z.string(), z.string()) })
      .parse(JSON.parse(text));
    expect(onnxruntimeVersion).toBe(manifest.optionalDependencies['onnxruntime-node']);
  });
});
