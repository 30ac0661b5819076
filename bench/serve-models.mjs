// Small ONNX models for the benchmarks of serving, written by hand.
import { writeFileSync } from 'node:fs';
import onnxProto from 'onnx-proto';

const { onnx } = onnxProto;
const float32 = 1;

function value(name, width) {
  const shape = { dim: [{ dimParam: 'N' }, { dimValue: width }] };
  return { name, type: { tensorType: { elemType: float32, shape } } };
}

function write(path, width, { node, initializer }) {
  const graph = {
    name: 'bench',
    node,
    initializer,
    input: [value('x', width)],
    output: [value('y', width)],
  };
  const opsetImport = [{ domain: '', version: 17 }];
  writeFileSync(path, onnx.ModelProto.encode({ irVersion: 8, opsetImport, graph }).finish());
}

/** y = x + 1 over [N, 3]: nothing but the protocol costs. */
export function writeTiny(path) {
  const one = { name: 'one', dataType: float32, dims: [1], floatData: [1] };
  write(path, 3, {
    node: [{ opType: 'Add', input: ['x', 'one'], output: ['y'] }],
    initializer: [one],
  });
}

/** A chain of products with matrices of [width, width], all different: a run reads all of them, however many its rows. */
export function writeWide(path, width, depth) {
  const at = (i) => (i === 0 ? 'x' : i === depth ? 'y' : `v${i}`);
  const weights = (i) => {
    const numbers = Float32Array.from({ length: width * width }, (_, k) => Math.sin(k + i) / width);
    return {
      name: `w${i}`,
      dataType: float32,
      dims: [width, width],
      rawData: Buffer.from(numbers.buffer),
    };
  };
  write(path, width, {
    node: Array.from({ length: depth }, (_, i) => ({
      opType: 'MatMul',
      input: [at(i), `w${i}`],
      output: [at(i + 1)],
    })),
    initializer: Array.from({ length: depth }, (_, i) => weights(i)),
  });
}
