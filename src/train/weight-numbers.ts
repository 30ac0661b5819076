import type { GraphBuilder } from '../onnx/graph.ts';
import { dtypeBytes, sizeOf, type TensorSource } from '../tensor.ts';

/** All numbers of a weight of a graph, in an array of their own or in a given one of that length. */
export function numbersFrom(graph: GraphBuilder, name: string, into?: Float32Array): Float32Array {
  const source: TensorSource | undefined = graph.initializers.get(name);
  if (source?.dtype !== 'float32') throw new Error(`Bug: "${name}" is no float32 weight`);
  const numbers = into ?? new Float32Array(sizeOf(source.shape));
  const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  let at = 0;
  for (const chunk of source.chunks()) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  if (at !== numbers.length * dtypeBytes.float32) throw new Error(`Bug: "${name}" was cut short`);
  return numbers;
}
