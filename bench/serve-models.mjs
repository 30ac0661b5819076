// Small ONNX models for the benchmarks of serving, written by hand.
import { writeFileSync } from 'node:fs';
import onnxProto from 'onnx-proto';

const { onnx } = onnxProto;
const float32 = 1;

function value(name, dims) {
  const shape = { dim: [{ dimParam: 'N' }, ...dims.map((dimValue) => ({ dimValue }))] };
  return { name, type: { tensorType: { elemType: float32, shape } } };
}

/** From `x` [N, ...from] to `y` [N, ...to]. */
function write(path, { from, to, node, initializer, metadataProps = [] }) {
  const input = [value('x', from)];
  const graph = { name: 'bench', node, initializer, input, output: [value('y', to)] };
  const opsetImport = [{ domain: '', version: 17 }];
  const model = { irVersion: 8, opsetImport, graph, metadataProps };
  writeFileSync(path, onnx.ModelProto.encode(model).finish());
}

/** y = x + 1 over [N, 3]: nothing but the protocol costs. */
export function writeTiny(path) {
  const one = { name: 'one', dataType: float32, dims: [1], floatData: [1] };
  write(path, {
    from: [3],
    to: [3],
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
  write(path, {
    from: [width],
    to: [width],
    node: Array.from({ length: depth }, (_, i) => ({
      opType: 'MatMul',
      input: [at(i), `w${i}`],
      output: [at(i + 1)],
    })),
    initializer: Array.from({ length: depth }, (_, i) => weights(i)),
  });
}

const numbers = (count, scale) =>
  Float32Array.from({ length: count }, (_, k) => Math.sin(k * 1.7) * scale);

const ints = (name, ...values) => ({ name, ints: values, type: 7 });

/** Nodes and weights that follow each other, each node named by its number. */
class Chain {
  nodes = [];
  weights = [];

  /** `inputs` beside the last output: arrays of [shape, scale]. */
  add(opType, inputs = [], attribute = []) {
    const at = this.nodes.length;
    const names = inputs.map(([dims, scale], i) => {
      const name = `w${at}_${i}`;
      const data = numbers(
        dims.reduce((product, dim) => product * dim, 1),
        scale,
      );
      this.weights.push({ name, dataType: float32, dims, rawData: Buffer.from(data.buffer) });
      return name;
    });
    this.nodes.push({
      opType,
      input: [at === 0 ? 'x' : `v${at - 1}`, ...names],
      output: [`v${at}`],
      attribute,
    });
    return this;
  }

  conv(from, to, { kernel, stride = 1, group = 1 }) {
    const pad = (kernel - 1) / 2;
    const attributes = [
      ints('kernel_shape', kernel, kernel),
      ints('strides', stride, stride),
      ints('pads', pad, pad, pad, pad),
      { name: 'group', i: group, type: 2 },
    ];
    const scale = 1 / Math.sqrt((from / group) * kernel * kernel);
    this.add('Conv', [[[to, from / group, kernel, kernel], scale]], attributes);
    return this.add('Relu');
  }
}

/** Depthwise and pointwise convolutions as in MobileNet at half its width, over RGB of 224 by 224, 1000 classes; 1.3 million weights. */
export function writeMobile(path) {
  const chain = new Chain().conv(3, 16, { kernel: 3, stride: 2 });
  const blocks = [32, -64, 64, -128, 128, -256, 256, 256, 256, 256, 256, -512, 512];
  let from = 16;
  for (const block of blocks) {
    const to = Math.abs(block);
    chain.conv(from, from, { kernel: 3, stride: block < 0 ? 2 : 1, group: from });
    chain.conv(from, to, { kernel: 1 });
    from = to;
  }
  chain.add('GlobalAveragePool').add('Flatten');
  chain.add('Gemm', [
    [[from, 1000], 0.05],
    [[1000], 0],
  ]);
  chain.add('Softmax');
  chain.nodes.at(-1).output = ['y'];
  const size = [224, 224];
  const pixels = { resize: 'bilinear', layout: 'nchw', color: 'rgb', mode: 'tf', inGraph: '' };
  write(path, {
    from: [3, ...size],
    to: [1000],
    node: chain.nodes,
    initializer: chain.weights,
    metadataProps: [{ key: 'graft.preprocess', value: JSON.stringify({ size, ...pixels }) }],
  });
}
