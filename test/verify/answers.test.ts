import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { predictCommand } from '../../src/cli/predict.ts';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { writeModel } from '../../src/onnx/write.ts';
import { openArrays } from '../../src/verify/arrays.ts';
import { temporaryFolder } from '../files.ts';
import { floats, npz } from './numpy.ts';

let folder = '';
let written = '';
beforeEach(() => {
  folder = temporaryFolder();
  written = '';
  vi.spyOn(console, 'log').mockReturnValue();
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    written += String(text);
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** sum = a + b, and twice = a + a, in batches of `rows`. */
async function sums(rows: number | string = 'N'): Promise<string> {
  const graph = new GraphBuilder();
  const a = graph.input('a', 'float32', [rows, 2]);
  const b = graph.input('b', 'float32', [rows, 2]);
  graph.output(graph.rename(graph.add('Add', [a, b]), 'sum'));
  graph.output(graph.rename(graph.add('Add', [a, a]), 'twice'));
  const path = join(folder, 'sums.onnx');
  await writeModel(path, graph, { name: 'sums' });
  return path;
}

function saved(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

const a = () => floats([3, 2], [1, 2, 3, 4, 5, 6]);
const b = () => floats([3, 2], [10, 10, 10, 10, 10, 10]);
const run = (...args: string[]) => predictCommand().parseAsync(args, { from: 'user' });

async function arraysIn(path: string) {
  const opened = await openArrays([path]);
  const found = opened.arrays.map((array) => [
    array.name,
    array.shape,
    [...array.read().data].map(Number),
  ]);
  opened.close();
  return found;
}

const answered = [
  ['sum', [3, 2], [11, 12, 13, 14, 15, 16]],
  ['twice', [3, 2], [2, 4, 6, 8, 10, 12]],
];

describe('graft predict --data', () => {
  it('takes an .npz by the names of the inputs and writes one, in batches', async () => {
    const output = join(folder, 'out.npz');
    const data = saved('in.npz', npz({ b: b(), a: a() }));
    await run(await sums(), '--data', data, '-o', output, '--batch', '2');
    expect(await arraysIn(output)).toEqual(answered);
  });

  it('fills a batch up where the model has a fixed size', async () => {
    const output = join(folder, 'out.npz');
    const [first, second] = [saved('a.npy', a()), saved('b.npy', b())];
    await run(await sums(2), '--data', first, second, '-o', output);
    expect(await arraysIn(output)).toEqual(answered);
  });

  it('writes one output as .npy, from which it can be read again', async () => {
    const graph = new GraphBuilder();
    graph.output(graph.rename(graph.add('Neg', [graph.input('x', 'float32', ['N', 2])]), 'y'));
    const model = join(folder, 'neg.onnx');
    await writeModel(model, graph, { name: 'neg' });
    const output = join(folder, 'y.npy');
    await run(model, '--data', saved('x.npy', a()), '-o', output);
    expect(await arraysIn(output)).toEqual([[undefined, [3, 2], [-1, -2, -3, -4, -5, -6]]]);
  });

  it('names columns after the outputs', async () => {
    const data = [saved('a.npy', a()), saved('b.npy', b())];
    await run(await sums(), '--data', ...data);
    expect(written.split('\n').slice(0, 2)).toEqual(['sum_0,sum_1,twice_0,twice_1', '11,12,2,4']);
  });

  it('writes a JSON object a line', async () => {
    const data = [saved('a.npy', a()), saved('b.npy', b())];
    const output = join(folder, 'y.jsonl');
    await run(await sums(), '--data', ...data, '-o', output);
    expect(readFileSync(output, 'utf8').split('\n')[2]).toBe('{"sum":[15,16],"twice":[10,12]}');
  });

  it.each([
    [
      'several outputs for one .npy',
      ['a.npy', 'b.npy', '-o', 'y.npy'],
      'REFERENCE_INVALID',
      '.npz',
    ],
    ['an array too few', ['a.npy'], 'REFERENCE_INVALID', 'input "b"'],
  ])('refuses %s, and leaves nothing behind', async (_, args, code, words) => {
    saved('a.npy', a());
    saved('b.npy', b());
    const paths = args.map((arg) => (arg === '-o' ? arg : join(folder, arg)));
    const work = run(await sums(), '--data', ...paths);
    await expect(work).rejects.toMatchObject({ code });
    await expect(work).rejects.toThrow(words);
    await expect(arraysIn(join(folder, 'y.npy'))).rejects.toMatchObject({ code: 'FILE_MISSING' });
  });

  it.each([
    ['nothing to predict', []],
    ['pictures and arrays at once', ['cat.jpg', '--data', 'x.npy']],
    ['-o for pictures', ['cat.jpg', '-o', 'y.npy']],
  ])('refuses %s', async (_, args) => {
    await expect(run('m.onnx', ...args)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });

  it('is named by the error for a model that takes no pictures', async () => {
    const work = run(await sums(), saved('cat.jpg', a()));
    await expect(work).rejects.toThrow('--data');
  });
});
