import { ToolkitError } from '../errors.ts';
import { type ModelCard, type Preprocess, readCard } from '../onnx/card.ts';
import { readModel, type StoredModel } from '../onnx/read.ts';
import { sizeOf } from '../tensor.ts';
import { imageEnds } from './model.ts';
import { endsInProbabilities } from './probabilities.ts';

/** How pictures go through a model. */
interface PictureEnds {
  readonly input: string;
  /** The output with one row of scores a picture. */
  readonly output: string;
  readonly preprocess: Preprocess;
  /** Whether the output comes from a softmax or a sigmoid. */
  readonly isProbability: boolean;
}

/** What an ONNX file says of itself, without its weights. Plain data. */
export interface ModelAbout {
  readonly bytes: number;
  readonly irVersion: number;
  readonly opset: number;
  readonly nodes: number;
  /** Elements of all weights. */
  readonly parameters: number;
  /** How often each operator occurs. */
  readonly operators: Readonly<Record<string, number>>;
  readonly card: ModelCard;
  readonly pictures: PictureEnds | undefined;
  /** Why it takes no pictures, where it takes none. */
  readonly noPictures: string | undefined;
  /** The model's file and those that its weights lie in, with links resolved. */
  readonly files: readonly string[];
}

/** Describes an ONNX file. Throws what `readModel` throws; a card that cannot be read is as good as none. */
export function describeModel(path: string): ModelAbout {
  const model = readModel(path);
  const operators: Record<string, number> = {};
  for (const { op } of model.nodes) operators[op] = (operators[op] ?? 0) + 1;
  const weights = [...model.initializers.values()];
  const files = weights.flatMap(({ range }) => (range ? [range.file] : []));
  return {
    bytes: model.bytes,
    irVersion: model.irVersion,
    opset: model.opset,
    nodes: model.nodes.length,
    parameters: weights.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
    operators,
    ...cardOf(model),
    files: [...new Set([model.path, ...files])],
  };
}

function cardOf(model: StoredModel): Pick<ModelAbout, 'card' | 'pictures' | 'noPictures'> {
  let card: ModelCard = {};
  try {
    card = readCard(model);
    const { input, output, preprocess } = imageEnds(model, card);
    const isProbability = endsInProbabilities(model, output.name);
    const pictures = { input: input.name, output: output.name, preprocess, isProbability };
    return { card, pictures, noPictures: undefined };
  } catch (fault) {
    if (!(fault instanceof ToolkitError)) throw fault;
    const noPictures = fault.message.split('\n')[0] ?? '';
    return { card, pictures: undefined, noPictures };
  }
}
