import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { convertModel } from '../../../src/convert/convert-model.ts';
import { operations } from '../../../src/convert/layers/operations/index.ts';
import { tensorFlowFunctions } from '../../../src/convert/layers/operations/tensorflow.ts';
import { ToolkitError } from '../../../src/errors.ts';
import { isJson, parseJson } from '../../../src/keras/config.ts';
import type { Generation, KerasModel } from '../../../src/keras/model.ts';
import { arrayOf, behindMaps, type KerasCase, modelOfCase } from '../keras-case.ts';
import { expectSame } from '../real-keras.ts';
import { runGraph } from '../run-graph.ts';
import { binary, others, unary } from './operation-cases.ts';

/** Cases that must be refused, and why. Every other one must give Keras' own numbers. */
const refused: Readonly<Record<string, string>> = {
  view: 'ONNX has no way to read the bits of a number as another type',
  nextafter: 'it works on bits',
  'nextafter@number': 'it works on bits',
  'nextafter@row': 'it works on bits',
  'gcd@int': 'it takes as many steps as the numbers need',
  'lcm@int': 'it takes as many steps as the numbers need',
  'norm@nuc': 'ONNX has no singular values',
  bincount: 'the size of the result depends on the numbers',
  unique: 'the size of the result depends on the numbers',
  nonzero: 'the size of the result depends on the numbers',
  'rot90@twice': 'the backends of Keras differ',
  unravel_index: 'the backends of Keras differ',
  ctc_loss: 'a loss over alignments',
  ctc_decode: 'a search over alignments',
  eigh: 'ONNX has no eigenvalues',
  qr: 'ONNX has no such decomposition',
  svd: 'ONNX has no singular values',
  pinv: 'ONNX has no singular values',
  matrix_rank: 'ONNX has no singular values',
  lstsq: 'ONNX has no such decomposition',
  istft: 'it puts windows over each other',
  view_as_real: 'complex numbers',
  affine_transform: 'places between the pixels, computed',
  'affine_transform@nearest': 'places between the pixels, computed',
  perspective_transform: 'places between the pixels, computed',
  scale_and_translate: 'places between the pixels, computed',
  ssim: 'a measure between images',
  elastic_transform: 'it is random',
  'math.lgamma': 'ONNX has no gamma function',
  'math.digamma': 'ONNX has no gamma function',
  'math.igamma': 'ONNX has no gamma function',
  searchsorted: 'each row has boundaries of its own',
  histogram_fixed_width: 'it counts over the whole batch',
  meshgrid: 'tf.keras does not save all tensors',
  einsum: 'tf.keras does not save the tensors',
  'einsum@one': 'tf.keras does not save the tensors',
  'nn.conv2d@pads': 'padding in numbers',
  'nn.atrous_conv2d': 'tf.keras takes it apart into steps over the batch',
  'nn.dropout': 'it is random whether or not it trains',
  'nn.erosion2d': 'ONNX has no such window',
  'image.sobel_edges': 'tf.keras computes the number of repeats',
  'image.psnr': 'a measure between images',
  'keras.backend.switch': 'tf.keras computes the number of repeats',
  'signal.stft': 'complex numbers',
  'signal.fft2d': 'complex numbers',
  'signal.dct': 'complex numbers',
};

/** Refused in one file, and not in the other. */
const onlyIn: Readonly<Record<string, string>> = {
  searchsorted: 'tf_functions',
  meshgrid: 'tf_functions',
  einsum: 'tf_functions',
  unique: 'both',
};

function casesIn(name: string): Readonly<Record<string, KerasCase>> {
  const file = new URL(`../../fixtures/operations/${name}.json.gz`, import.meta.url);
  const text = gunzipSync(readFileSync(file)).toString('utf8');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the scripts beside the file write this
  return parseJson(text, { file: name }) as unknown as Readonly<Record<string, KerasCase>>;
}

function reasonFor(name: string, file: string): string | undefined {
  const where = onlyIn[name];
  return where === undefined || where === 'both' || where === file ? refused[name] : undefined;
}

/** Converts and runs, and compares numbers, shapes and types with Keras' own. */
async function agrees(model: KerasModel, { inputs, outputs }: KerasCase): Promise<void> {
  const { graph } = convertModel(model);
  const results = await runGraph(graph, inputs.map(arrayOf));
  expect(graph.outputs.map(({ dtype }) => kindOf(dtype))).toEqual(
    outputs.map(({ dtype }) => kindOf(dtype)),
  );
  outputs.forEach((output, i) => {
    const made = graph.outputs[i];
    const actual = results.get(made?.name ?? '');
    expectSame(actual, arrayOf(output), { rtol: 1e-4, atol: 1e-5 });
    const sizes = made?.shape.map((dim, axis) =>
      typeof dim === 'string' ? dim : output.shape[axis],
    );
    expect(made?.shape).toEqual(sizes);
  });
}

/** Whole numbers are of any width in ONNX. */
function kindOf(dtype: string): string {
  return dtype.startsWith('float') || dtype === 'bool' ? dtype : 'whole';
}

function testFile(
  file: string,
  who: { readonly generation: Generation; readonly version: string },
) {
  it.each(Object.entries(casesIn(file)))('%s', async (name, each) => {
    const reason = reasonFor(name, file);
    if (reason !== undefined) {
      expect(() => convertModel(modelOfCase(each, who)), reason).toThrow(ToolkitError);
      return;
    }
    const model = modelOfCase(each, who);
    await agrees(model, each);
    const maps = behindMaps(model);
    if (maps) await agrees(maps, each);
  });
}

describe('keras.ops as nodes of models, by Keras 3.15 itself', () => {
  testFile('operations', { generation: 'Keras 3', version: '3.15.1' });
});

describe('functions of TensorFlow as nodes of models, by tf.keras 2.15 itself', () => {
  testFile('tf_functions', { generation: 'tf.keras', version: '2.15.0' });
});

function functionOf(name: string): string {
  return name.split('@')[0] ?? name;
}

/** How many functions a file has, and how many of them are refused in no case. */
function wholeIn(file: string): { readonly all: number; readonly whole: number } {
  const names = Object.keys(casesIn(file));
  const functions = new Set(names.map(functionOf));
  const partly = names.filter((name) => reasonFor(name, file) !== undefined).map(functionOf);
  return { all: functions.size, whole: functions.size - new Set(partly).size };
}

const letters = (name: string): string => name.replaceAll('_', '').toLowerCase();

/** Classes and functions that a file's layers name. */
function namesIn(file: string): ReadonlySet<string> {
  const layers = Object.values(casesIn(file)).flatMap(({ architecture }) => {
    const config = isJson(architecture['config']) ? architecture['config'] : {};
    return Array.isArray(config['layers']) ? (config['layers'] as readonly unknown[]) : [];
  });
  return new Set(
    layers.flatMap((layer) => {
      if (!isJson(layer)) return [];
      const config = isJson(layer['config']) ? layer['config'] : {};
      const path = String(config['function'] ?? layer['class_name']).replace(/^compat\.v1\./, '');
      return [path, letters(path.split('.').at(-1) ?? '')];
    }),
  );
}

/** Rows by the names of the classes or functions that reach them. */
const spelled: Readonly<Record<string, string>> = {
  batch_normalization: 'BatchNorm',
  layer_normalization: 'LayerNorm',
  rms_normalization: 'RMSNorm',
  bitwise_left_shift: 'LeftShift',
  bitwise_right_shift: 'RightShift',
  conv_transpose: 'conv2d_transpose',
  extract_patches_3d: 'ExtractPatches',
};

describe('the tables of operations', () => {
  const seen = new Set(['operations', 'tf_functions'].flatMap((file) => [...namesIn(file)]));

  it('have a case of a real Keras, or a formula, for each row', () => {
    const formulas = new Set([unary, binary, others].flatMap(Object.keys));
    const untested = Object.keys(operations).filter(
      (name) => !formulas.has(name) && !seen.has(letters(spelled[name] ?? name)),
    );
    expect(untested).toEqual([]);
  });

  it('hold as many functions as the README says', () => {
    const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
    const [keras, tensorFlow] = [wholeIn('operations'), wholeIn('tf_functions')];
    expect(readme.replaceAll(/\s+/g, ' ')).toContain(
      `Of the ${keras.all} of \`keras.ops\` that take tensors, ${keras.whole} give`,
    );
    expect(readme.replaceAll(/\s+/g, ' ')).toContain(
      `of ${tensorFlow.all} of TensorFlow, ${tensorFlow.whole}.`,
    );
  });

  it('have a case of the real TensorFlow for each function of its own', () => {
    expect(Object.keys(tensorFlowFunctions).filter((path) => !seen.has(path))).toEqual([]);
  });
});
