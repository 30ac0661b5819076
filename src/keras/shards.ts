import { ToolkitError } from '../errors.ts';
import { isJson, type Json } from './config.ts';

/**
 * Names of the files that a `.weights.json` of Keras 3 lists; none for a model without weights. Source:
 * keras/src/saving/saving_lib.py, ShardedH5IOStore. Throws KERAS_FILE_UNSAFE for names that lead out of its folder.
 */
export function shardNames(json: Json, file: string): readonly string[] {
  const map = isJson(json['weight_map']) ? json['weight_map'] : {};
  const names = Object.values(map).flatMap((value): unknown[] =>
    Array.isArray(value) ? value : [value],
  );
  const unique = [...new Set(names)].filter((name) => typeof name === 'string');
  return unique.map((name) => plainName(name, file));
}

/** The name where it is one of a file beside the JSON. Throws KERAS_FILE_UNSAFE. */
export function plainName(name: string, file: string): string {
  if (name !== '' && name !== '..' && name !== '.' && !/[/\\\0]/.test(name)) return name;
  throw new ToolkitError(
    'KERAS_FILE_UNSAFE',
    `Expected the name of a file beside this one, but found "${name}"`,
    {
      where: { file },
      hint: 'Keep all parts of a model in one folder, and name them without folders.',
    },
  );
}
