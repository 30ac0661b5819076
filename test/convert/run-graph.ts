import * as ort from 'onnxruntime-node';
import type { GraphBuilder } from '../../src/onnx/graph.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import type { Array1 } from '../npy.ts';

/** Runs a graph in onnxruntime on the CPU; inputs in the order of the graph's, outputs by name. */
export async function runGraph(
  graph: GraphBuilder,
  inputs: readonly Array1[],
): Promise<ReadonlyMap<string, Array1>> {
  const session = await ort.InferenceSession.create(encodeModel(graph, { name: 'test' }), {
    logSeverityLevel: 3,
    // Sessions are small and many: a pool of threads for each costs more than it gives.
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  try {
    const feeds = graph.inputs.map((input, i) => {
      const array = inputs[i];
      if (!array) throw new Error(`No numbers for the input "${input.name}"`);
      return [input.name, tensorOf(input.dtype, array)] as const;
    });
    const results = await session.run(Object.fromEntries(feeds));
    return new Map(
      Object.entries(results).map(([name, { data, dims }]) => [
        name,
        { shape: dims, data: Float32Array.from(data, Number) },
      ]),
    );
  } finally {
    await session.release();
  }
}

function tensorOf(dtype: string, { shape, data }: Array1): ort.Tensor {
  switch (dtype) {
    case 'float32':
      return new ort.Tensor('float32', data, shape);
    case 'int32':
      return new ort.Tensor('int32', Int32Array.from(data), shape);
    case 'int64':
      return new ort.Tensor(
        'int64',
        BigInt64Array.from(Array.from(data, (number) => BigInt(Math.trunc(number)))),
        shape,
      );
    case 'bool':
      return new ort.Tensor('bool', Uint8Array.from(data), shape);
    case 'uint8':
      return new ort.Tensor('uint8', Uint8Array.from(data), shape);
    case 'uint16':
      return new ort.Tensor('uint16', Uint16Array.from(data), shape);
    default:
      throw new Error(`Inputs of ${dtype} are not fed here`);
  }
}
