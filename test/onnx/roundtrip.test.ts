import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import onnxProto from 'onnx-proto';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { graphOnly, spliceModel } from '../../src/onnx/edit.ts';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { readModel } from '../../src/onnx/read.ts';
import { encodeModel, writeModel } from '../../src/onnx/write.ts';
import { floatSource } from '../../src/source.ts';
import { temporaryFolder } from '../files.ts';
import { expectClose } from '../tolerance.ts';

/** y = relu(x · W) · V with W [4, 300] of ones and V [300, 2] of 0.5: large enough to be mapped. */
function twoLayers(): GraphBuilder {
  const graph = new GraphBuilder();
  const x = graph.input('x', 'float32', ['N', 4]);
  const w = graph.initializer('w', floatSource([4, 300], new Float32Array(1200).fill(1)));
  const v = graph.initializer('v', floatSource([300, 2], new Float32Array(600).fill(0.5)));
  graph.add('Relu', [graph.add('MatMul', [x, w])]);
  const hidden = graph.rename(lastOf(graph), 'hidden');
  graph.add('MatMul', [hidden, v]);
  graph.output(graph.rename(lastOf(graph), 'y'));
  return graph;
}

function lastOf(graph: GraphBuilder) {
  const last = graph.nodes.at(-1)?.outputs[0];
  if (!last) throw new Error('The graph is empty');
  return last;
}

async function run(
  model: Uint8Array,
  feeds: Record<string, Tensor>,
  options: InferenceSession.SessionOptions = {},
): Promise<InferenceSession.OnnxValueMapType> {
  const session = await InferenceSession.create(model, options);
  return session.run(feeds);
}

const feeds = { x: new Tensor('float32', Float32Array.of(1, 2, 3, 4), [1, 4]) };
const numbers = (value: unknown): number[] => {
  if (!(value instanceof Tensor)) throw new Error('Not a tensor');
  return value.data instanceof Float32Array ? [...value.data] : [];
};

describe('an authored model', () => {
  it('runs in onnxruntime', async () => {
    const result = await run(encodeModel(twoLayers(), { name: 'two' }), feeds);
    expect(numbers(result['y'])).toEqual([1500, 1500]);
  });

  it('is read back with its values, weights and metadata', async () => {
    const path = join(temporaryFolder(), 'm.onnx');
    const metadata = { 'graft.version': '"1"', note: 'é' };
    const { bytes } = await writeModel(path, twoLayers(), {
      name: 'two',
      metadata: () => metadata,
    });
    const model = readModel(path);
    expect(model.bytes).toBe(bytes);
    expect(model.opset).toBe(17);
    expect(Object.fromEntries(model.metadata)).toEqual(metadata);
    expect(model.inputs).toEqual([{ name: 'x', dtype: 'float32', shape: ['N', 4] }]);
    expect(model.nodes.map(({ op }) => op)).toEqual(['MatMul', 'Relu', 'MatMul']);
    expect(model.values.get('hidden')?.shape).toEqual(['N', 300]);
    const v = model.initializers.get('v');
    expect(new Float32Array(v?.read(598, 2).slice().buffer ?? [])).toEqual(
      Float32Array.of(0.5, 0.5),
    );
  });

  it('is mapped: a small graph whose weights stay in the file', async () => {
    const path = join(temporaryFolder(), 'gräph.onnx');
    await writeModel(path, twoLayers(), { name: 'two' });
    const { bytes, folder } = graphOnly(readModel(path));
    expect(bytes.byteLength).toBeLessThan(1000);
    const result = await run(bytes, feeds, {
      extra: { session: { model_external_initializers_file_folder_path: folder } },
    });
    expect(numbers(result['y'])).toEqual([1500, 1500]);
  });

  it('is cut at an inner value', async () => {
    const path = join(temporaryFolder(), 'm.onnx');
    await writeModel(path, twoLayers(), { name: 'two' });
    const { bytes, folder } = graphOnly(readModel(path), { outputs: ['hidden'] });
    const result = await run(bytes, feeds, {
      extra: { session: { model_external_initializers_file_folder_path: folder } },
    });
    expect(Object.keys(result)).toEqual(['hidden']);
    expect(numbers(result['hidden'])[299]).toBe(10);
  });

  it('names the values there are when one is not', async () => {
    const path = join(temporaryFolder(), 'm.onnx');
    await writeModel(path, twoLayers(), { name: 'two' });
    expect(() => graphOnly(readModel(path), { outputs: ['fc9'] })).toThrow(
      /no value named "fc9"[\s\S]*hidden/,
    );
  });
});

/** A head on `hidden`: y = hidden · H with H [300, 3] of 2, under names that are taken in the base. */
function head(): GraphBuilder {
  const graph = new GraphBuilder();
  const x = graph.input('features', 'float32', ['N', 300]);
  const w = graph.initializer('w', floatSource([300, 3], new Float32Array(900).fill(2)));
  graph.add('MatMul', [x, w]);
  graph.output(graph.rename(lastOf(graph), 'classes'));
  return graph;
}

describe('a splice', () => {
  it('keeps the beginning and puts the new head on it', async () => {
    const folder = temporaryFolder();
    const [from, to] = [join(folder, 'a.onnx'), join(folder, 'b.onnx')];
    await writeModel(from, twoLayers(), { name: 'two', metadata: () => ({ a: '1', b: '2' }) });
    await spliceModel(readModel(from), to, { at: 'hidden', head: head(), metadata: { b: '3' } });
    const model = readModel(to);
    expect([...model.initializers.keys()]).toEqual(['w', 'w_1']);
    expect(Object.fromEntries(model.metadata)).toEqual({ a: '1', b: '3' });
    expect(model.outputs).toEqual([{ name: 'classes', dtype: 'float32', shape: ['N', 3] }]);
    const result = await run(readFileSync(to), feeds);
    expectClose(numbers(result['classes']), [6000, 6000, 6000]);
  });

  it('carries every field of a newer IR version that is not known here', async () => {
    const folder = temporaryFolder();
    const [from, to] = [join(folder, 'a.onnx'), join(folder, 'b.onnx')];
    const bytes = encodeModel(twoLayers(), { name: 'two' });
    writeFileSync(from, withUnknownFields(bytes));
    await spliceModel(readModel(from), to, { at: 'hidden', head: head(), metadata: {} });
    const written = readFileSync(to);
    for (const mark of ['MODEL-FUTURE', 'GRAPH-FUTURE', 'NODE-FUTURE']) {
      expect(written.includes(mark), mark).toBe(true);
    }
    expect(readModel(to).irVersion).toBe(14);
  });

  it('takes external data in, so that the new file is whole in another folder', async () => {
    const folder = temporaryFolder();
    const [from, to] = [join(folder, 'a.onnx'), join(folder, 'elsewhere', 'b.onnx')];
    const proto = onnxProto.onnx.ModelProto.decode(encodeModel(twoLayers(), { name: 'two' }));
    const weight = proto.graph?.initializer?.[0];
    if (!weight) throw new Error('there is a weight');
    writeFileSync(join(folder, 'weights.bin'), weight.rawData ?? '');
    delete weight.rawData;
    weight.externalData = [{ key: 'location', value: 'weights.bin' }];
    weight.dataLocation = onnxProto.onnx.TensorProto.DataLocation.EXTERNAL;
    const bytes = Buffer.from(onnxProto.onnx.ModelProto.encode(proto).finish());
    writeFileSync(from, bytes);
    mkdirSync(join(folder, 'elsewhere'));
    await spliceModel(readModel(from), to, { at: 'hidden', head: head(), metadata: {} });
    const result = await run(readFileSync(to), feeds);
    expectClose(numbers(result['classes']), [6000, 6000, 6000]);
  });

  it('leaves nothing behind when the value is unknown', async () => {
    const folder = temporaryFolder();
    const from = join(folder, 'a.onnx');
    await writeModel(from, twoLayers(), { name: 'two' });
    const to = join(folder, 'b.onnx');
    const splice = spliceModel(readModel(from), to, { at: 'gone', head: head(), metadata: {} });
    await expect(splice).rejects.toMatchObject({ code: 'ONNX_VALUE_UNKNOWN' });
    expect(() => readFileSync(to)).toThrow(/ENOENT/);
  });
});

/** Field 900, length-delimited: its tag is 900 · 8 + 2 as a varint of two bytes. */
function unknown(text: string): Uint8Array {
  const tag = 900 * 8 + 2;
  return Buffer.concat([Buffer.of((tag & 127) | 128, tag >> 7, text.length), Buffer.from(text)]);
}

function framed(number: number, content: Uint8Array): Uint8Array {
  const sizes: number[] = [];
  for (let rest = content.byteLength; ; rest >>= 7) {
    sizes.push(rest > 127 ? (rest & 127) | 128 : rest);
    if (rest <= 127) break;
  }
  return Buffer.concat([Buffer.of(number * 8 + 2, ...sizes), content]);
}

/** Sets IR version 14 and adds fields with numbers that no schema has, to the model, its graph and a node. */
function withUnknownFields(bytes: Uint8Array): Uint8Array {
  const { ModelProto, GraphProto, NodeProto } = onnxProto.onnx;
  const model = ModelProto.decode(bytes);
  const graph = GraphProto.create(model.graph ?? {});
  const [first, ...others] = graph.node;
  graph.node = others;
  const node = Buffer.concat([NodeProto.encode(first ?? {}).finish(), unknown('NODE-FUTURE')]);
  const rest = GraphProto.encode(graph).finish();
  const whole = Buffer.concat([framed(1, node), rest, unknown('GRAPH-FUTURE')]);
  const outer = ModelProto.encode({
    irVersion: 14,
    opsetImport: model.opsetImport,
  }).finish();
  return Buffer.concat([outer, framed(7, whole), unknown('MODEL-FUTURE')]);
}

describe('a broken file', () => {
  it.each([
    ['cut short', (bytes: Uint8Array) => bytes.slice(0, bytes.byteLength - 700), 'FILE_TRUNCATED'],
    ['that is a page', () => Buffer.from('<!DOCTYPE html><html></html>'), 'FILE_UNRECOGNISED'],
    ['of Keras', () => Buffer.from('\x89HDF\r\n\x1a\n\0\0\0', 'latin1'), 'FILE_UNRECOGNISED'],
    ['that is a pointer', () => Buffer.from('version https://git-lfs.x/1\n'), 'FILE_UNRECOGNISED'],
    ['of another kind', () => Buffer.alloc(100, 0xff), 'ONNX_INVALID'],
    ['empty', () => Buffer.alloc(0), 'ONNX_INVALID'],
  ])('%s is refused', (_, broken, code) => {
    const path = join(temporaryFolder(), 'm.onnx');
    writeFileSync(path, broken(encodeModel(twoLayers(), { name: 'two' })));
    expect(() => readModel(path)).toThrow(expect.objectContaining({ code }));
  });

  it('that is not there is named', () => {
    expect(() => readModel('/no/such.onnx')).toThrow(/does not exist[\s\S]*\/no\/such\.onnx/);
  });
});

describe('a Loop', () => {
  it('carries its state over the trips', async () => {
    const graph = new GraphBuilder();
    const start = graph.input('start', 'float32', [2]);
    const [end] = graph.loop(graph.integers('trips', [5], []), [start], (body, _, [state]) => [
      body.add('Add', [state ?? start, body.floats('one', [1])]),
    ]);
    if (end) graph.output(end);
    const bytes = encodeModel(graph, { name: 'loop' });
    const result = await run(bytes, { start: new Tensor('float32', Float32Array.of(0, 10), [2]) });
    expect(Object.values(result).map(numbers)).toEqual([[5, 15]]);
  });
});
