import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ToolkitError } from '../errors.ts';
import { packagedPath } from '../package.ts';
import type { Recipe } from './model.ts';

const described = {
  title: z.string(),
  resize: z.enum(['nearest', 'bilinear', 'bicubic']),
  preprocess: z.enum(['none', 'caffe', 'tf', 'torch']),
  labels: z.record(z.string(), z.string()),
};

const config = z.record(z.string(), z.unknown());

/**
 * A chain of layers in Keras 3's words. A string that begins with "$" is a width, found from the shapes; it has one value
 * throughout. The labels to use depend on the number of classes. `pixelsPerCell`: how many pixels of the image's side
 * become one of the last feature map's.
 */
const chainSchema = z.strictObject({
  ...described,
  input: z.strictObject({ channels: z.int(), pixelsPerCell: z.int() }),
  layers: z.array(z.strictObject({ name: z.string(), class: z.string(), config })),
});

/**
 * A published network: its layers in Keras' order, each after the one before unless `inputs` says otherwise, with the
 * shapes of their weights in channels_last. "$channels" is the axis of the channels, "$classes" what the file has.
 * `top`: the layers that files named "notop" leave out.
 */
const networkSchema = z.strictObject({
  ...described,
  input: z.strictObject({ channels: z.int(), size: z.int() }),
  top: z.array(z.string()),
  layers: z.array(
    z.strictObject({
      name: z.string(),
      class: z.string(),
      config: config.optional(),
      weights: z.array(z.array(z.union([z.int(), z.literal('$classes')]))).optional(),
      inputs: z.array(z.string()).optional(),
    }),
  ),
});

export type ChainRecipe = z.infer<typeof chainSchema> & Pick<Recipe, 'name'>;
export type NetworkRecipe = z.infer<typeof networkSchema> & Pick<Recipe, 'name'>;

/** A file of `models/`: an architecture for weights that come without one. */
export type RecipeFile = ChainRecipe | NetworkRecipe;

/**
 * The recipes that come with the package, by name, or the one of a name. Reads `models/` each time: nothing is done on
 * import.
 */
export function readRecipes(only?: string): RecipeFile[] {
  const folder = packagedPath('models');
  if (folder === undefined) throw new Error('Bug: the package has no models folder');
  return readdirSync(folder)
    .flatMap((file) => (file.endsWith('.json') ? [file.replace(/\.json$/, '')] : []))
    .filter((name) => only === undefined || name === only)
    .toSorted()
    .flatMap((name) => {
      const file = `${name}.json`;
      const json: unknown = JSON.parse(readFileSync(join(folder, file), 'utf8'));
      if (typeof json !== 'object' || json === null || !('layers' in json)) return [];
      const schema = 'top' in json ? networkSchema : chainSchema;
      const recipe = schema.safeParse(json);
      if (recipe.success) return [{ ...recipe.data, name }];
      throw new ToolkitError(
        'KERAS_CONFIG_INVALID',
        'A recipe does not have the form of a recipe',
        {
          where: { file: join(folder, file) },
          hint: z.prettifyError(recipe.error),
          cause: recipe.error,
        },
      );
    });
}
