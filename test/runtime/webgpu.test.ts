import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import type { Provider } from '../../src/runtime/providers.ts';
import { openSession, type Tensor } from '../../src/runtime/session.ts';
import { expectClose } from '../tolerance.ts';
import { saveModel, smallNet, weights } from './models.ts';
import { canSpawn, driver, hasAdapter, runOnSwiftShader } from './swiftshader.ts';

async function answer(
  model: Uint8Array | { readonly path: string },
  provider: Provider,
  feeds: Record<string, Tensor>,
): Promise<{ readonly data: Float32Array; readonly isPartlyOnCpu: boolean }> {
  const session = await openSession(model, { provider });
  try {
    const [output] = Object.values(await session.run(feeds));
    return {
      data: Float32Array.from(output?.data ?? [], Number),
      isPartlyOnCpu: session.isPartlyOnCpu,
    };
  } finally {
    await session.close();
  }
}

function image(shape: readonly number[]): Tensor {
  const length = shape.reduce((a, b) => a * b, 1);
  return { dtype: 'float32', shape, data: Float32Array.from({ length }, (_, i) => Math.cos(i)) };
}

/** A convolution whose input channels the provider's default layout gets wrong. */
function convolution(channels: number): Uint8Array {
  const graph = new GraphBuilder();
  const x = graph.input('image', 'float32', ['N', channels, 8, 8]);
  const kernel = graph.initializer('kernel', weights([5, channels, 3, 3]));
  graph.output(
    graph.add('Conv', [x, kernel], {
      kernel_shape: [3, 3],
      strides: [1, 1],
      pads: [1, 1, 1, 1],
      dilations: [1, 1],
      group: 1,
    }),
  );
  return encodeModel(graph, { name: 'conv' });
}

describe.skipIf(!hasAdapter)('webgpu (skipped without GRAFT_TEST_WEBGPU=1 and an adapter)', () => {
  it('agrees with the CPU on a small network, every node on the GPU', async () => {
    const model = encodeModel(smallNet(), { name: 'net' });
    const feeds = { image: image([2, 3, 16, 16]) };
    const found = await answer(model, 'webgpu', feeds);
    expectClose(found.data, (await answer(model, 'cpu', feeds)).data);
    expect(found.isPartlyOnCpu).toBe(false);
  });

  it.each([3, 6, 9])('agrees with the CPU on a convolution of %d channels', async (channels) => {
    const feeds = { image: image([1, channels, 8, 8]) };
    const expected = await answer(convolution(channels), 'cpu', feeds);
    expectClose((await answer(convolution(channels), 'webgpu', feeds)).data, expected.data);
  });

  it('agrees with the CPU on a mapped file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'graft-webgpu-'));
    try {
      const path = join(folder, 'net.onnx');
      await saveModel(path, smallNet(), {});
      const feeds = { image: image([1, 3, 16, 16]) };
      const expected = await answer({ path }, 'cpu', feeds);
      expectClose((await answer({ path }, 'webgpu', feeds)).data, expected.data);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('says so when some nodes can only run on the CPU', async () => {
    const graph = new GraphBuilder();
    const x = graph.input('image', 'float32', ['N', 3]);
    graph.output(graph.add('Selu', [x], { alpha: 1.5, gamma: 2 }));
    const model = encodeModel(graph, { name: 'selu' });
    const feeds = { image: image([2, 3]) };
    const found = await answer(model, 'webgpu', feeds);
    expect(found.isPartlyOnCpu).toBe(true);
    expectClose(found.data, (await answer(model, 'cpu', feeds)).data);
  });
});

it.skipIf(!canSpawn)(
  `passes the tests of webgpu on SwiftShader (skipped unless ${driver} is there)`,
  async () => {
    const { failed, passed, messages } = await runOnSwiftShader('test/runtime/webgpu.test.ts');
    expect(messages).toEqual([]);
    expect([failed, passed]).toEqual([0, 6]);
  },
  60_000,
);
