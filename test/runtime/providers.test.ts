import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import {
  type Installed,
  type Provider,
  providers,
  unavailable,
} from '../../src/runtime/providers.ts';
import { openSession } from '../../src/runtime/session.ts';
import { expectFault } from './fault.ts';

const names: readonly Provider[] = ['cpu', 'cuda', 'webgpu'];
const nothing: Installed = { backends: [], folder: '/nowhere', version: '1.30.0' };

function identity(): Uint8Array {
  const graph = new GraphBuilder();
  graph.output(graph.rename(graph.add('Relu', [graph.input('x', 'float32', [2])]), 'y'));
  return encodeModel(graph, { name: 'relu' });
}

describe('providers', () => {
  it('is a table of every provider tested here', () => {
    expect(Object.keys(providers)).toEqual(names);
  });

  // Contract of each row: it runs, or it says why not; it never runs on something else in silence.
  it.each(names)('%s runs, or says what is missing and how to get it', async (provider) => {
    try {
      const session = await openSession(identity(), { provider });
      const { y } = await session.run({
        x: { dtype: 'float32', shape: [2], data: Float32Array.of(-1, 3) },
      });
      await session.close();
      expect(y?.data).toEqual(Float32Array.of(0, 3));
      expect([session.provider, session.isPartlyOnCpu]).toEqual([provider, false]);
    } catch (fault) {
      const expected = { code: 'PROVIDER_UNAVAILABLE', says: '--provider cpu' } as const;
      await expectFault(Promise.reject(fault), expected);
    }
  });

  it('has the CPU everywhere', () => {
    expect(providers.cpu.missing(nothing)).toBeUndefined();
  });

  it('says that the platform has no CUDA', () => {
    expect(providers.cuda.missing(nothing)).toContain('Linux x64 only');
  });

  it('says that the CUDA library was not fetched, and names the command that fetches it', () => {
    const installed = { ...nothing, backends: ['cpu', 'cuda'] };
    const why = providers.cuda.missing(installed) ?? '';
    expect(why).toBe('libonnxruntime_providers_cuda.so is not in /nowhere');
    const fault = unavailable('cuda', installed, { why, file: 'vgg16.onnx' });
    expect(fault.code).toBe('PROVIDER_UNAVAILABLE');
    expect(fault.where).toEqual({ file: 'vgg16.onnx' });
    expect(fault.hint).toContain('ONNXRUNTIME_NODE_INSTALL=true npm rebuild onnxruntime-node');
    expect(providers.cuda.hint(installed)).toContain('CUDA 12 and cuDNN 9');
  });

  it('says that the platform has no WebGPU', () => {
    expect(providers.webgpu.missing(nothing)).toContain('no WebGPU');
  });
});
