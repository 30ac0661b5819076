import { readFileSync } from 'node:fs';
import { ToolkitError } from '../errors.ts';
import { knownNetwork } from '../keras/applications.ts';
import { isJson } from '../keras/config.ts';
import type { Decision, KerasModel } from '../keras/model.ts';
import { packagedPath } from '../package.ts';
import type { Value } from '../tensor.ts';
import { teachableLabels } from './teachable.ts';

const imagenetClasses = 1000;

/** Names of a model's classes, if it has any, and what they were concluded from. */
interface Classes {
  readonly names: string[] | undefined;
  readonly decisions: readonly Decision[];
}

/**
 * Names of a model's classes: those given, those that Teachable Machine put beside it, or ImageNet's for a network that
 * is known to answer with them.
 *
 * Throws OPTION_INVALID when there are not as many names as outputs.
 */
export function classesOf(
  model: KerasModel,
  outputs: readonly Value[],
  given: readonly string[] | undefined,
): Classes {
  const count = outputs[0]?.shape.at(-1);
  if (!given) return foundClasses(model, count);
  if (given.length === count) return { names: [...given], decisions: [] };
  throw new ToolkitError(
    'OPTION_INVALID',
    `The model answers with ${count ?? 'no'} classes, but ${given.length} names were given`,
    {
      where: { file: model.file },
      hint: 'Give one name for each output, in the order of the outputs.',
    },
  );
}

function foundClasses(model: KerasModel, count: number | string | undefined): Classes {
  const overrule = '--classes NAMES|FILE';
  const labels = typeof count === 'number' ? teachableLabels(model.file, count) : undefined;
  if (labels) {
    const { names, evidence } = labels;
    const decision = { subject: 'classes', value: names.join(', '), evidence, overrule };
    return { names: [...names], decisions: [decision] };
  }
  const network = knownNetwork(model);
  if (network?.labels !== 'imagenet' || count !== imagenetClasses) {
    return { names: undefined, decisions: [] };
  }
  const evidence = `${network.title} with ${imagenetClasses} outputs`;
  const decision = { subject: 'classes', value: 'those of ImageNet', evidence, overrule };
  // With a recipe, the architecture is a decision already, and its classes go with it.
  return { names: imagenetNames(), decisions: model.recipe ? [] : [decision] };
}

/** Names by number; the file's keys are the numbers as text. Source: Keras' imagenet_class_index.json. */
function imagenetNames(): string[] {
  const path = packagedPath('models', 'imagenet_class_index.json');
  if (path === undefined) throw new Error('Bug: the package has no names of ImageNet’s classes');
  const index: unknown = JSON.parse(readFileSync(path, 'utf8'));
  if (!isJson(index)) throw new Error(`Bug: ${path} is not an object`);
  return Array.from({ length: imagenetClasses }, (_, i) => {
    const entry = index[String(i)];
    const name: unknown = Array.isArray(entry) ? entry[1] : undefined;
    if (typeof name !== 'string') throw new Error(`Bug: ${path} has no class ${i}`);
    return name;
  });
}
