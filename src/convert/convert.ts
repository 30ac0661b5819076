import { realpath } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { checkedPath, ToolkitError } from '../errors.ts';
import type { Decision, KerasModel, KerasOrigin } from '../keras/model.ts';
import { type OpenKerasOptions, openKeras } from '../keras/open.ts';
import { cardMetadata, type ModelCard } from '../onnx/card.ts';
import { writeModel } from '../onnx/write.ts';
import { refuseExisting } from '../output.ts';
import { imageLayoutOf } from './card.ts';
import { type Converted, convertModel, type ModelOptions } from './convert-model.ts';
import { FiniteCheck } from './finite.ts';
import { sha256Of } from './hash.ts';

export { convertModel } from './convert-model.ts';

/** What can be asked of a conversion from file to file. */
export interface ConvertOptions extends ModelOptions, OpenKerasOptions {
  /** Where to write; beside the input, with the extension .onnx, where it is left open. */
  readonly output?: string | undefined;
  /** Overwrites what is there. */
  readonly force?: boolean | undefined;
}

/** What was converted, how it was understood, and what was written. */
export interface ConversionReport extends KerasOrigin {
  readonly input: string;
  readonly output: string;
  /** The file of weights beside the output, for a model of 2 GiB or more. */
  readonly data: string | undefined;
  /** Of the output and its data. */
  readonly bytes: number;
  /** Of the input, in hexadecimal. */
  readonly sha256: string;
  /** Where the channels of the model's images are, if it takes images. */
  readonly ordering: 'th' | 'tf' | undefined;
  readonly recipe: string | undefined;
  readonly decisions: readonly Decision[];
  /** What is odd about the file, such as weights that are NaN. */
  readonly warnings: readonly string[];
  readonly layers: number;
  readonly parameters: number;
  readonly nodes: number;
}

/**
 * Converts a Keras file to an ONNX file, which is there whole or not at all.
 *
 * Memory: the graph, one chunk of 4 MiB, and the largest weight whose axes must be moved. Throws what opening,
 * `convertModel` and writing throw; before any work OUTPUT_EXISTS, and OPTION_INVALID for an output that is the input.
 */
export async function convert(
  file: string,
  options: ConvertOptions = {},
): Promise<ConversionReport> {
  const output = options.output ?? outputFor(checkedPath(file, 'The path of a Keras file'));
  if (options.force !== true) await refuseExisting(output);
  await refuseSame(file, output);
  const hash = sha256Of(file);
  try {
    return await convertHashed(file, hash.digest, { ...options, output });
  } finally {
    await hash.cancel();
  }
}

async function convertHashed(
  file: string,
  sha256: Promise<string>,
  options: ConvertOptions & { readonly output: string },
): Promise<ConversionReport> {
  const { output, force } = options;
  const model = await openKeras(file, options);
  try {
    const converted = convertModel(model, options);
    const check = watchedWeights(converted);
    const { bytes, data } = await writeModel(output, converted.graph, {
      name: model.graph.name,
      force,
      metadata: async () => cardMetadata(cardOf(model, converted, await sha256)),
    });
    const { decisions, layers, parameters, nodes } = converted;
    return {
      ...model.origin,
      input: file,
      output,
      data,
      bytes,
      sha256: await sha256,
      ordering: orderingOf(model),
      recipe: model.recipe?.name,
      decisions,
      warnings: [...converted.warnings, ...check.warnings],
      layers,
      parameters,
      nodes,
    };
  } finally {
    model.close();
  }
}

function watchedWeights({ graph }: Converted): FiniteCheck {
  const check = new FiniteCheck();
  for (const [name, source] of graph.initializers) {
    graph.initializers.set(name, check.watched(name, source));
  }
  return check;
}

function cardOf(model: KerasModel, { card }: Converted, sha256: string): ModelCard {
  const { generation, version, kernels } = model.origin;
  const recipe = model.recipe?.name;
  return {
    ...card,
    source: { file: basename(model.file), sha256, generation, version, kernels, recipe },
  };
}

/** Where a conversion writes unless told otherwise: beside the input. Throws OPTION_INVALID for an ONNX file. */
export function outputFor(file: string): string {
  const extension = extname(file);
  if (extension === '.onnx') {
    throw new ToolkitError('OPTION_INVALID', 'The file to convert is an ONNX file already', {
      where: { file },
      hint: 'Give a file that Keras wrote, such as .h5, .keras or .weights.h5.',
    });
  }
  return `${extension ? file.slice(0, -extension.length) : file}.onnx`;
}

/** Overwriting is one thing, losing the weights that are being converted another. */
async function refuseSame(file: string, output: string): Promise<void> {
  const [from, to] = await Promise.all(
    [file, output].map((path) => realpath(path).catch(() => '')),
  );
  if (from === '' || from !== to) return;
  throw new ToolkitError('OPTION_INVALID', 'The output is the file that is to be converted', {
    where: { file: output },
    hint: 'Choose another name with -o: the Keras file would be lost.',
  });
}

function orderingOf(model: KerasModel): 'th' | 'tf' | undefined {
  const [input] = model.graph.inputs;
  if (input?.shape.length !== 3) return undefined;
  return imageLayoutOf(model.graph, input.shape) === 'nchw' ? 'th' : 'tf';
}
