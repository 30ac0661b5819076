import { ToolkitError } from '../errors.ts';
import { type ModelCard, type Preprocess, readCard } from '../onnx/card.ts';
import { readModel, type StoredModel } from '../onnx/read.ts';
import type { Shape, Value } from '../tensor.ts';
import { endsInProbabilities } from './probabilities.ts';
import { openSession, type Session, type SessionOptions } from './session.ts';

export type { Preprocess } from '../onnx/card.ts';

/** An open image classifier and what its card says. Whoever loaded it calls `close`. */
export interface LoadedModel {
  readonly path: string;
  readonly session: Session;
  readonly card: ModelCard;
  readonly preprocess: Preprocess;
  readonly input: Value;
  readonly output: Value;
  /** Whether what it puts out are scores of classes: it names them, or ends in a softmax or a sigmoid. */
  readonly isClassifier: boolean;
  /** Images that every run must have, where the model fixes it. */
  readonly fixedBatch: number | undefined;
  close(): Promise<void>;
}

/** How a model is loaded. */
export interface LoadOptions extends SessionOptions {
  /** Overrules parts of the card, or stands for a card that a model of other origin lacks. */
  readonly preprocess?: Partial<Preprocess> | undefined;
}

/**
 * Opens an ONNX image classifier, mapped from its file, which must stay as it is until `close`.
 *
 * Throws MODEL_CARD_INVALID when it has no image input or no one knows how pictures become its input, and what
 * `openSession` throws.
 */
export async function loadModel(path: string, options: LoadOptions = {}): Promise<LoadedModel> {
  const model = readModel(path);
  const card = readCard(model);
  const { input, output, preprocess } = imageEnds(model, card, options.preprocess);
  const session = await openSession(model, options);
  const batch = input.shape[0];
  return {
    path: model.path,
    session,
    card,
    preprocess,
    input,
    output,
    isClassifier: card.classes !== undefined || endsInProbabilities(model, output.name),
    fixedBatch: typeof batch === 'number' ? batch : undefined,
    close: () => session.close(),
  };
}

/**
 * Where pictures go into a model and scores come out, and how a picture becomes its input.
 *
 * `given` overrules the card. Throws MODEL_CARD_INVALID for a model that is no image classifier.
 */
export function imageEnds(
  model: StoredModel,
  card: ModelCard,
  given?: Partial<Preprocess>,
): Pick<LoadedModel, 'input' | 'output' | 'preprocess'> {
  const { input, output } = endsOf(model);
  const preprocess = preprocessOf(model, card, { input, given });
  checkClasses(model, card, output);
  return { input, output, preprocess };
}

/** Names of the model's classes in the order of its outputs, if it has them. */
export function classNames(model: Pick<LoadedModel, 'card'>): readonly string[] | undefined {
  return model.card.classes;
}

function endsOf(model: StoredModel): { readonly input: Value; readonly output: Value } {
  const inputs = model.inputs.filter(({ name }) => !model.initializers.has(name));
  const [input, ...others] = inputs;
  const isImage = input?.shape.length === 4 && input.dtype === 'float32' && others.length === 0;
  if (!input || !isImage) {
    throw invalid(
      model,
      'An image classifier takes one float32 input of four dimensions, ' +
        `but this model takes ${inputs.map(spelled).join(' and ') || 'nothing'}`,
      'Give it arrays: graft predict MODEL --data x.npy (several as an .npz). In the library, openSession takes any inputs.',
    );
  }
  const output = model.outputs[0];
  const isRow = output !== undefined && output.shape.length >= 2;
  if (!isRow || !output.shape.slice(2).every((dim) => dim === 1)) {
    throw invalid(
      model,
      'An image classifier puts out one row of scores an image, [N, classes], ' +
        `but this model puts out ${output ? spelled(output) : 'nothing'}`,
      'Give it arrays: graft predict MODEL --data x.npy -o y.npy. In the library, openSession gives any outputs.',
    );
  }
  return { input, output };
}

function preprocessOf(
  model: StoredModel,
  card: ModelCard,
  { input, given }: { readonly input: Value; readonly given: Partial<Preprocess> | undefined },
): Preprocess {
  const { mode, ...known } = { ...inferred(input.shape), ...card.preprocess, ...given };
  const { size, layout, color, resize = 'nearest', inGraph = '', rescale, standardise } = known;
  const isAssumed = known.assumed === true && !saysPixels(given);
  if (mode === undefined || size === undefined || layout === undefined || color === undefined) {
    throw invalid(
      model,
      'The model does not say how pictures become its input (metadata "graft.preprocess" is missing); ' +
        `its input is ${spelled(input)}`,
      'Say it with the option "preprocess" (--preprocess): mode none, caffe, tf or torch; and color, resize, layout and ' +
        'size where they are not as the input suggests.',
    );
  }
  const more = {
    ...(isAssumed && { assumed: true }),
    ...(rescale !== undefined && { rescale }),
    ...(standardise && { standardise }),
  };
  const preprocess: Preprocess = { size, layout, color, resize, mode, ...more, inGraph };
  checkFits(model, input, preprocess);
  return preprocess;
}

/** Whether it is said what is done to pixels. */
function saysPixels(given: Partial<Preprocess> = {}): boolean {
  const { mode, rescale, standardise } = given;
  return [mode, rescale, standardise].some((one) => one !== undefined);
}

/** What the shape of an input tells; only the mode can never be seen there. */
function inferred(shape: Shape): Partial<Preprocess> {
  const layout = [1, 3].includes(Number(shape[1])) ? 'nchw' : 'nhwc';
  const [, channels, height, width] =
    layout === 'nchw' ? shape : [shape[0], shape[3], shape[1], shape[2]];
  const isSized = typeof height === 'number' && typeof width === 'number';
  return {
    layout,
    ...(channels === 1 && { color: 'gray' }),
    ...(channels === 3 && { color: 'rgb' }),
    ...(isSized && { size: [height, width] }),
  };
}

function checkFits(model: StoredModel, input: Value, { size, layout, color }: Preprocess): void {
  const channels = color === 'gray' ? 1 : 3;
  const expected = layout === 'nchw' ? [channels, ...size] : [...size, channels];
  const fits = expected.every((dim, axis) => {
    const found = input.shape[axis + 1];
    return typeof found === 'string' || found === dim;
  });
  if (fits) return;
  throw invalid(
    model,
    `Pictures become [N, ${expected.join(', ')}] (${layout}, ${color}), but the model takes ${spelled(input)}`,
    'Correct "size", "layout" or "color" of the preprocessing.',
  );
}

function checkClasses(model: StoredModel, { classes }: ModelCard, output: Value): void {
  const width = output.shape[1];
  if (!classes || typeof width !== 'number' || classes.length === width) return;
  // One sigmoid unit says how much the image is of the second of two classes.
  if (width === 1 && classes.length === 2) return;
  throw invalid(
    model,
    `The model puts out ${width} scores, but its card names ${classes.length} classes`,
    'Convert it again with the right labels.',
  );
}

function spelled({ name, dtype, shape }: Value): string {
  return `"${name}", ${dtype} [${shape.join(', ')}]`;
}

function invalid(model: StoredModel, what: string, hint: string): ToolkitError {
  return new ToolkitError('MODEL_CARD_INVALID', what, { where: { file: model.path }, hint });
}
