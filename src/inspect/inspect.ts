import { open, stat } from 'node:fs/promises';
import { type Converted, convertModel } from '../convert/convert-model.ts';
import { checkedPath, ToolkitError } from '../errors.ts';
import type { Decision, KerasModel, KerasOrigin } from '../keras/model.ts';
import { type OpenKerasOptions, openKeras } from '../keras/open.ts';
import { type ModelCard, readCard } from '../onnx/card.ts';
import type { GraphBuilder } from '../onnx/graph.ts';
import { readModel, type StoredModel } from '../onnx/read.ts';
import { dtypeBytes, type Value } from '../tensor.ts';
import {
  type Estimate,
  inferenceMemory,
  type OptimizerName,
  stateCopies,
  type Trainable,
  trainingMemory,
} from './estimate.ts';
import { kerasLines, withKerasWeights } from './keras-weights.ts';
import { type GraphView, type Line, layerLines, nodeLines } from './lines.ts';

/** What is estimated, and what a person may say about a file that does not speak for itself. */
export interface InspectOptions extends OpenKerasOptions {
  /** Samples at once in the memory estimates; 1 by default. */
  readonly batch?: number | undefined;
  /** Which layers learn; without it training is not estimated. */
  readonly trainable?: Trainable | undefined;
  /** Adam by default. */
  readonly optimizer?: OptimizerName | undefined;
}

interface Totals {
  readonly parameters: number;
  /** Those that training can change and that the file does not say are frozen. */
  readonly trainable: number;
  readonly weightBytes: number;
  /** Numbers that all layers put out for one sample; those of unknown size are not counted. */
  readonly activations: number;
  readonly activationBytes: number;
}

/** What a model file is. */
export interface Inspection {
  readonly file: string;
  readonly format: 'Keras' | 'ONNX';
  readonly bytes: number;
  /** Of a Keras file: who wrote it. */
  readonly origin: KerasOrigin | undefined;
  /** Of a Keras file: what was concluded, and from what. */
  readonly decisions: readonly Decision[];
  /** What the model says of itself: classes, preprocessing, source. */
  readonly card: ModelCard;
  /** Of an ONNX file. */
  readonly onnx:
    | { readonly irVersion: number; readonly opset: number; readonly nodes: number }
    | undefined;
  readonly lines: readonly Line[];
  /** Whether each line reads the one before it. */
  readonly isSequential: boolean;
  readonly totals: Totals;
  readonly batch: number;
  readonly inference: Estimate;
  readonly training: Estimate | undefined;
  /** Why a Keras model cannot be converted; its lines have no shapes then. */
  readonly unsupported: string | undefined;
}

/**
 * Says what a Keras or ONNX file is: its layers, parameters and memory. Reads no weights.
 *
 * Throws OPTION_INVALID, and what opening the file throws; a Keras model with unsupported layers is described too.
 */
export async function inspect(path: string, options: InspectOptions = {}): Promise<Inspection> {
  checkOptions(options);
  checkedPath(path);
  const found = (await isOnnx(path)) ? inspectOnnx(path) : await inspectOther(path, options);
  const { size: bytes } = await stat(path);
  return { file: path, bytes, ...found.facts, ...measured(found, options) };
}

/** What is no ONNX file is opened as Keras'; whatever is neither of them is said to be so. */
async function inspectOther(path: string, options: InspectOptions): Promise<Found> {
  try {
    return await inspectKeras(path, options);
  } catch (error) {
    if (!(error instanceof ToolkitError) || error.code !== 'FILE_UNRECOGNISED') throw error;
    const [what = ''] = error.message.split('\n');
    const { where, hint } = error;
    const both = what.replace('a model file of Keras', 'a model file of Keras or ONNX');
    throw new ToolkitError(error.code, both, { where, hint, cause: error });
  }
}

function checkOptions({ batch = 1, optimizer = 'adam' }: InspectOptions): void {
  if (!Number.isInteger(batch) || batch < 1) {
    throw new ToolkitError(
      'OPTION_INVALID',
      `The batch must be a whole number above 0, not ${batch}`,
      {
        hint: 'Give the number of samples that are run at once, such as 16.',
      },
    );
  }
  if (!Object.hasOwn(stateCopies, optimizer)) {
    throw new ToolkitError('OPTION_INVALID', `There is no optimizer named "${optimizer}"`, {
      hint: `Choose one of: ${Object.keys(stateCopies).join(', ')}.`,
    });
  }
}

/** An ONNX file begins with field 1, its IR version, in all exporters that are known; else its name tells. */
async function isOnnx(path: string): Promise<boolean> {
  const first = await firstByte(path);
  if (first === 0x89 || first === 0x50) return false;
  return first === 0x08 || path.endsWith('.onnx');
}

async function firstByte(path: string): Promise<number | undefined> {
  const file = await open(path).catch(() => undefined);
  if (!file) return undefined;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(1), 0, 1, 0);
    return bytesRead === 1 ? buffer[0] : undefined;
  } catch {
    // A folder: whoever opens it next says so
    return undefined;
  } finally {
    await file.close();
  }
}

interface Found {
  readonly facts: Pick<
    Inspection,
    'format' | 'origin' | 'decisions' | 'card' | 'onnx' | 'unsupported'
  >;
  readonly lines: readonly Line[];
  /** Bytes of one activation. */
  readonly width: number;
}

async function inspectKeras(path: string, options: InspectOptions): Promise<Found> {
  const model = await openKeras(path, options);
  try {
    const { origin, decisions } = model;
    const converted = tryConvert(model);
    const facts = { format: 'Keras', origin, decisions, onnx: undefined } as const;
    if (converted instanceof ToolkitError) {
      const unsupported = converted.message;
      return {
        facts: { ...facts, card: {}, unsupported },
        lines: kerasLines(model.graph),
        width: 4,
      };
    }
    const { graph, card } = converted;
    return {
      facts: { ...facts, card, unsupported: undefined },
      lines: withKerasWeights(layerLines(card.layers ?? [], viewOf(graph)), model.graph),
      width: widthOf(graph.inputs),
    };
  } finally {
    model.close();
  }
}

function tryConvert(model: KerasModel): Converted | ToolkitError {
  try {
    return convertModel(model);
  } catch (error) {
    if (error instanceof ToolkitError && error.code === 'KERAS_LAYER_UNSUPPORTED') return error;
    throw error;
  }
}

function inspectOnnx(path: string): Found {
  const model = readModel(path);
  const card = readCard(model);
  const view = storedView(model);
  const { irVersion, opset, nodes } = model;
  return {
    facts: {
      format: 'ONNX',
      origin: undefined,
      decisions: [],
      card,
      onnx: { irVersion, opset, nodes: nodes.length },
      unsupported: undefined,
    },
    lines: card.layers ? layerLines(card.layers, view) : nodeLines(view),
    width: widthOf(model.inputs),
  };
}

function widthOf([input]: readonly Value[]): number {
  return input?.dtype === 'float16' || input?.dtype === 'bfloat16' ? dtypeBytes[input.dtype] : 4;
}

function viewOf(graph: GraphBuilder): GraphView {
  return {
    inputs: graph.inputs,
    nodes: graph.nodes.map(({ name, op, inputs, outputs }) => ({
      name,
      op,
      inputs: names(inputs),
      outputs: names(outputs),
    })),
    initializers: graph.initializers,
    shapes: new Map(graph.nodes.flatMap(({ outputs }) => outputs.map((v) => [v.name, v.shape]))),
  };
}

function names(values: readonly (Value | undefined)[]): readonly string[] {
  return values.flatMap((value) => value?.name ?? []);
}

function storedView({ inputs, nodes, initializers, values }: StoredModel): GraphView {
  const shapes = new Map([...values].map(([name, { shape }]) => [name, shape]));
  return { inputs, nodes, initializers, shapes };
}

function measured(
  { lines, width }: Found,
  { batch = 1, trainable, optimizer = 'adam' }: InspectOptions,
): Pick<Inspection, 'lines' | 'isSequential' | 'totals' | 'batch' | 'inference' | 'training'> {
  const sum = (of: (line: Line) => number): number =>
    lines.reduce((all, line) => all + of(line), 0);
  const activations = sum((line) => line.activations ?? 0);
  return {
    lines,
    isSequential: lines.every(({ inputs }, at) => at === 0 || inputs.join() === String(at - 1)),
    totals: {
      parameters: sum((line) => line.parameters),
      trainable: sum((line) => (line.isFrozen ? 0 : line.trainable)),
      weightBytes: sum((line) => line.weightBytes),
      activations,
      activationBytes: activations * width,
    },
    batch,
    inference: inferenceMemory(lines, { batch, width }),
    training: trainable && trainingMemory(lines, { batch, width, trainable, optimizer }),
  };
}
