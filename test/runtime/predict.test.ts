import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { encodePng } from '../../src/runtime/image.ts';
import { classNames, loadModel } from '../../src/runtime/model.ts';
import { type Prediction, type PredictOptions, predict } from '../../src/runtime/predict.ts';
import { collected } from './collected.ts';
import { expectFault } from './fault.ts';
import { meanColors, plain, saveModel } from './models.ts';

let folder = '';
let files: string[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'graft-predict-'));
  files = await Promise.all(colors.map(async (color, i) => picture(`${i}.png`, color)));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const colors = [
  [255, 0, 51],
  [0, 255, 0],
  [0, 102, 204],
] as const;

async function picture(name: string, color: readonly [number, number, number]): Promise<string> {
  const path = join(folder, name);
  const data = Uint8Array.from({ length: 3 * 4 * 5 }, (_, i) => color[i % 3] ?? 0);
  await writeFile(path, await encodePng({ width: 5, height: 4, channels: 3, data }));
  return path;
}

const classes = ['red', 'green', 'blue'];

async function save(name: string, options: Parameters<typeof meanColors>[1] = {}): Promise<string> {
  const path = join(folder, `${name}.onnx`);
  await saveModel(path, meanColors([2, 2], options), { classes, preprocess: plain([2, 2]) });
  return path;
}

async function predictAll(
  path: string,
  sources: readonly string[],
  options: PredictOptions = {},
): Promise<Prediction[]> {
  const model = await loadModel(path);
  try {
    return await collected(predict(model, sources, options));
  } finally {
    await model.close();
  }
}

describe('predict', () => {
  it('names the best classes of each picture, in the order of the pictures', async () => {
    const path = await save('mean');
    const found = await predictAll(path, files, { top: 2 });
    expect(found.map(({ file }) => file)).toEqual(files);
    expect(found.map(({ top }) => top.map(({ label }) => label))).toEqual([
      ['red', 'blue'],
      ['green', 'red'],
      ['blue', 'green'],
    ]);
    expect(found[0]?.top[1]?.index).toBe(2);
    expect(found[0]?.top[1]?.probability).toBeCloseTo(0.2, 5);
  });

  it('takes one path as well, and refuses what is none', async () => {
    const path = await save('paths');
    const model = await loadModel(path);
    const given = async (value: unknown): Promise<unknown> => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what JavaScript may give
      return collected(predict(model, value as string[]));
    };
    expect(await given(files[0])).toHaveLength(1);
    for (const wrong of [Buffer.from('x'), [Buffer.from('x')], undefined, [undefined]]) {
      await expectFault(given(wrong), { code: 'OPTION_INVALID', says: 'Paths of pictures' });
    }
    await model.close();
  });

  it('is an error for a file that is not there, unless someone is told of it', async () => {
    const path = await save('missing');
    const sources = [join(folder, 'nope.png'), ...files];
    await expectFault(predictAll(path, sources), { code: 'FILE_MISSING', says: 'nope.png' });
    const skipped: string[] = [];
    const progress: [number, number][] = [];
    const found = await predictAll(path, sources, {
      onSkip: (skip) => skipped.push(skip.path),
      onProgress: (done, total) => progress.push([done, total]),
    });
    expect([found.length, skipped.length, progress.at(-1)]).toEqual([3, 1, [4, 4]]);
  });

  it('says whether the scores are probabilities', async () => {
    const raw = await predictAll(await save('raw'), files);
    const soft = await predictAll(await save('soft', { softmax: true }), files);
    // The means of the three pictures add up to 1.2, 1 and 1.2.
    expect(raw.map(({ isDistribution }) => isDistribution)).toEqual([false, true, false]);
    expect(soft.every(({ isDistribution }) => isDistribution)).toBe(true);
  });

  it('fills up the batch of a model that fixes it, and gives no more answers than pictures', async () => {
    const fixed = await save('fixed', { batch: 2 });
    const found = await predictAll(fixed, files);
    const expected = await predictAll(await save('free'), files);
    expect(found).toEqual(expected);
  });

  it('passes over a broken picture by name and reports progress', async () => {
    const broken = join(folder, 'broken.jpg');
    await writeFile(broken, 'no picture');
    const skipped: string[] = [];
    const progress: (readonly [number, number])[] = [];
    const found = await predictAll(await save('skip'), [files[0] ?? '', broken, files[1] ?? ''], {
      onSkip: ({ path }) => skipped.push(path),
      onProgress: (...step) => progress.push(step),
    });
    expect(found.map(({ file }) => file)).toEqual([files[0], files[1]]);
    expect(skipped).toEqual([broken]);
    expect(progress.at(-1)).toEqual([3, 3]);
  });

  it('throws for a broken picture when strict', async () => {
    const missing = join(folder, 'missing.jpg');
    await expectFault(predictAll(await save('strict'), [missing], { strict: true }), {
      code: 'FILE_MISSING',
      file: missing,
    });
  });

  it('tells when each run began and ended', async () => {
    const runs: number[] = [];
    await predictAll(await save('times'), files, {
      batch: 2,
      onRun: ({ start, end, batch }) => runs.push(batch, Math.sign(end - start)),
    });
    expect(runs).toEqual([2, 1, 1, 1]);
  });

  it('reads one sigmoid unit of two classes as the probability of the second', async () => {
    const graph = new GraphBuilder();
    const x = graph.input('image', 'float32', ['N', 3, 1, 1]);
    const mean = graph.add('ReduceMean', [x], { axes: [1, 2, 3], keepdims: 0 });
    const share = graph.add('Div', [mean, graph.floats('white', [255])]);
    graph.output(graph.add('Unsqueeze', [share, graph.integers('axis', [1])]));
    const path = join(folder, 'sigmoid.onnx');
    await saveModel(path, graph, { classes: ['dark', 'light'], preprocess: plain([1, 1]) });
    const [found] = await predictAll(path, [await picture('fifth.png', [51, 51, 51])]);
    expect(found?.top.map(({ label }) => label)).toEqual(['dark', 'light']);
    expect(found?.top[0]?.probability).toBeCloseTo(0.8, 5);
    expect(found?.top[1]?.probability).toBeCloseTo(0.2, 5);
  });
});

describe('loadModel', () => {
  it('gives the class names of the card', async () => {
    const model = await loadModel(await save('names'));
    await model.close();
    expect(classNames(model)).toEqual(classes);
  });

  it('takes the preprocessing of a model without a card from the caller, and the size from its input', async () => {
    const path = join(folder, 'foreign.onnx');
    await saveModel(path, meanColors([2, 2]), {});
    const model = await loadModel(path, { preprocess: { mode: 'tf' } });
    const [found] = await collected(predict(model, files.slice(1, 2)));
    await model.close();
    expect(model.preprocess).toMatchObject({
      size: [2, 2],
      layout: 'nchw',
      color: 'rgb',
      mode: 'tf',
    });
    expect(found?.top[0]).toMatchObject({ index: 1, label: '1' });
    expect(found?.top[0]?.probability).toBeCloseTo(1 / 255, 6);
  });

  it('refuses a model without a card when nobody says how pictures go in', async () => {
    const path = join(folder, 'cardless.onnx');
    await saveModel(path, meanColors([2, 2]), {});
    await expectFault(loadModel(path), {
      code: 'MODEL_CARD_INVALID',
      file: path,
      says: '[N, 3, 2, 2]',
    });
  });

  it('refuses a model without an image input, and says what its input is', async () => {
    const graph = new GraphBuilder();
    graph.output(graph.add('Relu', [graph.input('tokens', 'float32', ['N', 20])]));
    const path = join(folder, 'tokens.onnx');
    await saveModel(path, graph, {});
    await expectFault(loadModel(path), {
      code: 'MODEL_CARD_INVALID',
      says: '"tokens", float32 [N, 20]',
    });
  });

  it('refuses a model that puts out pictures', async () => {
    const graph = new GraphBuilder();
    graph.output(
      graph.rename(graph.add('Relu', [graph.input('x', 'float32', ['N', 3, 4, 4])]), 'y'),
    );
    const path = join(folder, 'pictures.onnx');
    await saveModel(path, graph, { preprocess: plain([4, 4]) });
    await expectFault(loadModel(path), {
      code: 'MODEL_CARD_INVALID',
      says: '"y", float32 [N, 3, 4, 4]',
    });
  });

  it('refuses a card whose size is not that of the input', async () => {
    const path = join(folder, 'size.onnx');
    await saveModel(path, meanColors([2, 2]), { preprocess: plain([3, 2]) });
    await expectFault(loadModel(path), { code: 'MODEL_CARD_INVALID', says: '[N, 3, 3, 2]' });
  });

  it('refuses a card with another number of classes than the model has scores', async () => {
    const path = join(folder, 'classes.onnx');
    await saveModel(path, meanColors([2, 2]), { classes: ['a', 'b'], preprocess: plain([2, 2]) });
    await expectFault(loadModel(path), {
      code: 'MODEL_CARD_INVALID',
      says: '3 scores, but its card names 2 classes',
    });
  });
});
