import { realpath } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { ToolkitError } from '../errors.ts';
import type { Decision, KerasModel, KerasOrigin, Kernels } from '../keras/model.ts';
import { openKeras } from '../keras/open.ts';
import { cardMetadata, type ModelCard } from '../onnx/card.ts';
import { writeModel } from '../onnx/write.ts';
import { refuseExisting } from '../output.ts';
import { imageLayoutOf } from './card.ts';
import { type Converted, convertModel, type ModelOptions } from './convert-model.ts';
import { sha256Of } from './hash.ts';

export { convertModel } from './convert-model.ts';

/** What can be asked of a conversion from file to file. */
export interface ConvertOptions extends ModelOptions {
  /** Where to write; beside the input, with the extension .onnx, where it is left open. */
  readonly output?: string | undefined;
  /** Overwrites what is there. */
  readonly force?: boolean | undefined;
  /** The file of an architecture (JSON), or the name of a recipe, for a file that holds weights only. */
  readonly arch?: string | undefined;
  /** Which convolution the kernels are for, where the file does not say. */
  readonly kernels?: Kernels | undefined;
}

/** What was converted, how it was understood, and what was written. */
export interface ConversionReport extends KerasOrigin {
  readonly input: string;
  readonly output: string;
  readonly bytes: number;
  /** Where the channels of the model's images are, if it takes images. */
  readonly ordering: 'th' | 'tf' | undefined;
  readonly recipe: string | undefined;
  readonly decisions: readonly Decision[];
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
  const output = options.output ?? beside(file);
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
  const model = await openKeras(file, { arch: options.arch, kernels: options.kernels });
  try {
    const converted = convertModel(model, options);
    const { bytes } = await writeModel(output, converted.graph, {
      name: model.graph.name,
      force,
      metadata: async () => cardMetadata(cardOf(model, converted, await sha256)),
    });
    const { decisions, layers, parameters, nodes } = converted;
    return {
      ...model.origin,
      input: file,
      output,
      bytes,
      ordering: orderingOf(model),
      recipe: model.recipe?.name,
      decisions,
      layers,
      parameters,
      nodes,
    };
  } finally {
    model.close();
  }
}

function cardOf(model: KerasModel, { card }: Converted, sha256: string): ModelCard {
  const { generation, version, kernels } = model.origin;
  const recipe = model.recipe?.name;
  return {
    ...card,
    source: { file: basename(model.file), sha256, generation, version, kernels, recipe },
  };
}

function beside(file: string): string {
  const extension = extname(file);
  if (extension === '.onnx') {
    throw new ToolkitError('OPTION_INVALID', 'The file to convert is an ONNX file already', {
      where: { file },
      hint: 'Give a Keras file (.h5).',
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
