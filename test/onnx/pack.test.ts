import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import onnxProto from 'onnx-proto';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { spliceModel } from '../../src/onnx/edit.ts';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { packModel, unpackModel } from '../../src/onnx/pack.ts';
import { readModel } from '../../src/onnx/read.ts';
import { writeModel } from '../../src/onnx/write.ts';
import { openSession } from '../../src/runtime/session.ts';
import { floatSource, sourceOf } from '../../src/source.ts';
import { temporaryFolder } from '../files.ts';

const { onnx } = onnxProto;

/** y = x · W · V with W [4, 300] of ones and V [300, 2] of 0.5, and a small bias: x = [1, 2, 3, 4] gives 1501. */
function large(): GraphBuilder {
  const graph = new GraphBuilder();
  const x = graph.input('x', 'float32', ['N', 4]);
  const w = graph.initializer('w', floatSource([4, 300], new Float32Array(1200).fill(1)));
  const v = graph.initializer('v', floatSource([300, 2], new Float32Array(600).fill(0.5)));
  const b = graph.initializer('b', floatSource([2], [1, 1]));
  graph.output(graph.add('Add', [graph.add('MatMul', [graph.add('MatMul', [x, w]), v]), b]));
  return graph;
}

const answer = [1501, 1501];

/** Less than the weights take: they go into a file of their own. */
const largest = 5000;
const name = 'large';

async function plain(path: string): Promise<number[]> {
  const session = await InferenceSession.create(path, { logSeverityLevel: 3 });
  try {
    const { [session.outputNames[0] ?? '']: y } = await session.run({
      x: new Tensor('float32', Float32Array.of(1, 2, 3, 4), [1, 4]),
    });
    return Array.from(y?.data instanceof Float32Array ? y.data : []);
  } finally {
    await session.release();
  }
}

async function mapped(path: string): Promise<number[]> {
  const session = await openSession({ path });
  try {
    const x = { dtype: 'float32', shape: [1, 4], data: Float32Array.of(1, 2, 3, 4) } as const;
    const [y] = Object.values(await session.run({ x }));
    return Array.from(y?.data ?? [], Number);
  } finally {
    await session.close();
  }
}

async function expectRuns(path: string): Promise<void> {
  expect(await plain(path)).toEqual(answer);
  expect(await mapped(path)).toEqual(answer);
}

/** Writes a model of one weight [64, 8] whose external data have these entries. */
function modelWith(folder: string, entries: Readonly<Record<string, string>>): string {
  const path = join(folder, 'm.onnx');
  const tensor = {
    name: 'w',
    dims: [64, 8],
    dataType: 1,
    dataLocation: onnx.TensorProto.DataLocation.EXTERNAL,
    externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
  };
  const bytes = onnx.ModelProto.encode({
    irVersion: 8,
    opsetImport: [{ domain: '', version: 17 }],
    graph: { name: 'g', initializer: [tensor] },
  }).finish();
  writeFileSync(path, bytes);
  return path;
}

const noted = (): Record<string, string> => ({ note: 'after the weights' });

function stopped(): never {
  throw new Error('Stopped');
}

async function unpacked(folder: string): Promise<string> {
  const path = join(folder, 'm.onnx');
  await writeModel(path, large(), { name, largest });
  return path;
}

describe('a model that is too large for one file', () => {
  it('is written as graph and data in one pass, and runs, plain and mapped', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'm.onnx');
    const metadata = noted;
    const written = await writeModel(path, large(), { name, largest, metadata });
    expect(readdirSync(folder).toSorted()).toEqual(['m.onnx', 'm.onnx.data']);
    expect(written.data).toBe(`${path}.data`);
    expect(written.bytes).toBe(readFileSync(path).length + readFileSync(`${path}.data`).length);
    const model = readModel(path);
    expect(model.metadata.get('note')).toBe('after the weights');
    expect(model.initializers.get('v')?.isExternal).toBe(true);
    expect(model.initializers.get('b')?.isExternal).toBe(false);
    await expectRuns(path);
  });

  it('is not written over another without being told to', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'm.onnx');
    writeFileSync(`${path}.data`, 'mine');
    await expect(writeModel(path, large(), { name, largest })).rejects.toMatchObject({
      code: 'OUTPUT_EXISTS',
      where: { file: `${path}.data` },
    });
    await writeModel(path, large(), { name, largest, force: true });
    await expectRuns(path);
  });

  it('leaves nothing behind when a weight cannot be read', async () => {
    const folder = temporaryFolder();
    const graph = large();
    const broken = sourceOf('float32', [64, 64], () => {
      throw new Error('The disk is gone');
    });
    graph.initializer('broken', broken);
    const write = writeModel(join(folder, 'm.onnx'), graph, { name, largest });
    await expect(write).rejects.toThrow('The disk is gone');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('keeps the old model whole when writing fails', async () => {
    const path = await unpacked(temporaryFolder());
    const write = writeModel(path, large(), { name, largest, force: true, metadata: stopped });
    await expect(write).rejects.toThrow('Stopped');
    await expectRuns(path);
  });
});

describe('pack and unpack', () => {
  it('go to one file and back, and every form runs', async () => {
    const folder = temporaryFolder();
    const path = await unpacked(folder);
    const one = join(folder, 'one.onnx');
    await packModel(path, one);
    await rm(path);
    await rm(`${path}.data`);
    await expectRuns(one);
    expect(readModel(one).initializers.get('w')?.isExternal).toBe(false);
    const two = join(folder, 'two.onnx');
    await unpackModel(one, two);
    await rm(one);
    expect(readFileSync(two).length).toBeLessThan(1500);
    await expectRuns(two);
    const three = join(folder, 'three.onnx');
    await packModel(two, three);
    await expectRuns(three);
  });

  it('work in place', async () => {
    const folder = temporaryFolder();
    const path = await unpacked(folder);
    await packModel(path, path, { force: true });
    await expectRuns(path);
    await unpackModel(path, path, { force: true });
    await expectRuns(path);
    await unpackModel(path, path, { force: true });
    await expectRuns(path);
  });

  it('pack refuses what one file cannot hold before it writes', async () => {
    const folder = temporaryFolder();
    const path = await unpacked(folder);
    const one = join(folder, 'one.onnx');
    await expect(packModel(path, one, { largest })).rejects.toMatchObject({
      code: 'ONNX_TOO_LARGE',
      where: { file: one },
    });
    expect(existsSync(one)).toBe(false);
  });

  it('a spliced model takes its weights along, wherever it goes', async () => {
    const path = await unpacked(temporaryFolder());
    const base = readModel(path);
    const head = new GraphBuilder();
    head.output(head.add('Relu', [head.input('h', 'float32', ['N', 2])]));
    const target = join(temporaryFolder(), 'spliced.onnx');
    await spliceModel(base, target, { at: base.outputs[0]?.name ?? '', head, metadata: {} });
    await expectRuns(target);
  });
});

describe('external data', () => {
  const location = 'w.data';

  it.each([
    ['a length that is not the weight’s', { location, length: '2047' }, 'ONNX_INVALID'],
    ['an offset below 0', { location, offset: '-1' }, 'ONNX_INVALID'],
    ['an offset that is no number', { location, offset: '1e3' }, 'ONNX_INVALID'],
    ['a range that goes on behind the file', { location, offset: '1' }, 'FILE_TRUNCATED'],
    ['a file that is not there', { location: 'other.data' }, 'FILE_MISSING'],
    ['a file above', { location: '../w.data' }, 'ONNX_INVALID'],
    ['a file above, by a detour', { location: 'sub/../../w.data' }, 'ONNX_INVALID'],
    ['the folder itself', { location: '.' }, 'ONNX_INVALID'],
    ['no place', { offset: '0' }, 'ONNX_INVALID'],
  ])('with %s are refused', (_, entries, code) => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, location), Buffer.alloc(2048));
    const path = modelWith(folder, entries);
    expect(() => readModel(path)).toThrow(expect.objectContaining({ code }));
  });

  it('behind a link that leads out of the folder are refused', () => {
    const [folder, outside] = [temporaryFolder(), temporaryFolder()];
    writeFileSync(join(outside, location), Buffer.alloc(2048));
    symlinkSync(join(outside, location), join(folder, location));
    const path = modelWith(folder, { location });
    expect(() => readModel(path)).toThrow(expect.objectContaining({ code: 'ONNX_INVALID' }));
  });

  it('that are replaced while they are in use are noticed', async () => {
    const folder = temporaryFolder();
    const path = await unpacked(folder);
    const model = readModel(path);
    writeFileSync(join(folder, 'new'), Buffer.alloc(10_000));
    renameSync(join(folder, 'new'), `${path}.data`);
    expect(() => model.initializers.get('w')?.read(0, 1)).toThrow(
      expect.objectContaining({ code: 'FILE_UNREADABLE' }),
    );
  });
});
