import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ToolkitError } from '../errors.ts';
import { isJson } from '../keras/config.ts';
import type { KerasModel } from '../keras/model.ts';
import type { Value } from '../tensor.ts';

const imagenetClasses = 1000;

/**
 * Names of a model's classes: those given, or ImageNet's for a recipe that is known to answer with them.
 *
 * Throws OPTION_INVALID when there are not as many names as outputs.
 */
export function classesOf(
  model: KerasModel,
  outputs: readonly Value[],
  given: readonly string[] | undefined,
): string[] | undefined {
  const count = outputs[0]?.shape.at(-1);
  if (!given) {
    const isImagenet = model.recipe?.labels === 'imagenet' && count === imagenetClasses;
    return isImagenet ? imagenetNames() : undefined;
  }
  if (given.length === count) return [...given];
  throw new ToolkitError(
    'OPTION_INVALID',
    `The model answers with ${count ?? 'no'} classes, but ${given.length} names were given`,
    {
      where: { file: model.file },
      hint: 'Give one name for each output, in the order of the outputs.',
    },
  );
}

/** Names by number; the file's keys are the numbers as text. Source: Keras' imagenet_class_index.json. */
function imagenetNames(): string[] {
  const path = join(modelsFolder(), 'imagenet_class_index.json');
  const index: unknown = JSON.parse(readFileSync(path, 'utf8'));
  if (!isJson(index)) throw new Error(`Bug: ${path} is not an object`);
  return Array.from({ length: imagenetClasses }, (_, i) => {
    const entry = index[String(i)];
    const name: unknown = Array.isArray(entry) ? entry[1] : undefined;
    if (typeof name !== 'string') throw new Error(`Bug: ${path} has no class ${i}`);
    return name;
  });
}

/** The package's folder `models/`, seen from the sources as well as from the built file. */
function modelsFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const models = join(folder, 'models');
    if (existsSync(join(models, 'imagenet_class_index.json'))) return models;
    const above = dirname(folder);
    if (above === folder) throw new Error('Bug: the folder "models" is not part of the package');
    folder = above;
  }
}
