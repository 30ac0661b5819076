import { ToolkitError, type Where } from '../errors.ts';
import { isJson, type Json, refuseDeep } from './config.ts';

/** An alias stands for what it names: more of them than any Keras model has would be made to exhaust memory. */
const maxAliasCount = 10_000;

/**
 * Parses YAML (Keras' `to_yaml`) that must be an object. Tags such as `!!python/tuple` are looked past, never executed.
 *
 * Throws KERAS_CONFIG_INVALID.
 */
export async function parseYaml(text: string, where: Where): Promise<Json> {
  const { parseDocument } = await import('yaml');
  let value: unknown;
  try {
    const document = parseDocument(text, {
      schema: 'core',
      resolveKnownTags: false,
      logLevel: 'silent',
    });
    const [fault] = document.errors;
    if (fault) throw fault;
    value = document.toJS({ maxAliasCount });
  } catch (error) {
    throw notYaml('Expected JSON or YAML, but the text is neither', where, error);
  }
  refuseDeep(value, where);
  if (isJson(value)) return value;
  throw notYaml('Expected an architecture in JSON or YAML, but the text is something else', where);
}

function notYaml(what: string, where: Where, cause?: unknown): ToolkitError {
  return new ToolkitError('KERAS_CONFIG_INVALID', what, {
    where,
    hint: 'Save the architecture with model.to_json() and give that file.',
    cause,
  });
}
