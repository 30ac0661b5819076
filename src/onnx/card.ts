import { z } from 'zod';
import { ToolkitError } from '../errors.ts';
import { type LayerRecord, layerEntries, layerRecords, writtenLayers } from './layer-record.ts';
import type { StoredModel } from './read.ts';

export type { LayerRecord } from './layer-record.ts';

const preprocess = z.object({
  /** Height and width of the input. */
  size: z.tuple([z.number().int().positive(), z.number().int().positive()]),
  resize: z.enum(['nearest', 'bilinear', 'bicubic']),
  layout: z.enum(['nchw', 'nhwc']),
  color: z.enum(['rgb', 'bgr', 'gray']),
  /** What must be done to pixels of 0 to 255 before the graph; "none" where the graph contains it. */
  mode: z.enum(['none', 'caffe', 'tf', 'torch']),
  /** Whether nothing said so: the mode is then "none", for want of evidence. */
  assumed: z.boolean().optional(),
  /** What pixels are multiplied by after the mode; 1 where it is absent. */
  rescale: z.number().positive().optional(),
  /** How the numbers are brought to mean 0 and deviation 1 after that; `mean` and `std` have one number a channel. */
  standardise: z
    .object({
      samplewise_center: z.boolean().optional(),
      samplewise_std_normalization: z.boolean().optional(),
      mean: z.array(z.number()).optional(),
      std: z.array(z.number()).optional(),
    })
    .optional(),
  /** What the graph does itself, in words. */
  inGraph: z.string(),
});

const source = z.object({
  file: z.string(),
  sha256: z.string(),
  generation: z.string(),
  version: z.string().optional(),
  kernels: z.string(),
  recipe: z.string().optional(),
});

/** How an image becomes the model's input: `graft.preprocess`. */
export type Preprocess = z.infer<typeof preprocess>;

const parts = {
  classes: z.array(z.string()),
  preprocess,
  source,
  layers: writtenLayers,
  history: z.record(z.string(), z.unknown()),
  version: z.string(),
} as const;

/** What a model says of itself in its `metadata_props`, under names that begin with `graft.`. */
export type ModelCard = {
  readonly [Part in Exclude<keyof typeof parts, 'layers'>]?:
    | z.infer<(typeof parts)[Part]>
    | undefined;
} & {
  /** The Keras layers of the model, in order. */
  readonly layers?: readonly LayerRecord[] | undefined;
};

/** The card of a model; parts that it lacks are absent. Throws MODEL_CARD_INVALID when a part cannot be read. */
export function readCard(model: StoredModel): ModelCard {
  const found = Object.entries(parts).flatMap(([part, schema]) => {
    const text = model.metadata.get(`graft.${part}`);
    return text === undefined ? [] : [[part, parsed(model, { part, text, schema })] as const];
  });
  const { layers, ...others } = Object.fromEntries(found);
  if (layers === undefined) return others;
  return { ...others, layers: layerRecords(writtenLayers.parse(layers), model) };
}

function parsed(
  model: StoredModel,
  {
    part,
    text,
    schema,
  }: { readonly part: string; readonly text: string; readonly schema: z.ZodType },
): unknown {
  const where = { file: model.path, path: `metadata "graft.${part}"` };
  const hint = 'Convert the model again, or remove this entry from its metadata.';
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new ToolkitError('MODEL_CARD_INVALID', 'The entry is not JSON', { where, hint, cause });
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  throw new ToolkitError('MODEL_CARD_INVALID', z.prettifyError(result.error), { where, hint });
}

/** The card as metadata entries. */
export function cardMetadata(card: ModelCard): Record<string, string> {
  const layers = card.layers && layerEntries(card.layers);
  return Object.fromEntries(
    Object.entries({ ...card, layers })
      .filter(([, value]) => value !== undefined)
      .map(([part, value]) => [`graft.${part}`, JSON.stringify(value)]),
  );
}
