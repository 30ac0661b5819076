import { closeSync, existsSync } from 'node:fs';
import { ToolkitError } from '../errors.ts';
import { openRange, readText } from '../files/file-range.ts';
import { recognise } from './architectures.ts';
import { type Json, parseJson } from './config.ts';
import type { Dialect } from './legacy.ts';
import type { Decision, Generation, Recipe } from './model.ts';
import { decideDataFormat } from './ordering.ts';
import { readRecipes } from './recipes.ts';
import { largestText } from './storage.ts';
import { generationOfVersion, type Stored } from './stored.ts';
import { parseYaml } from './yaml.ts';

/** What a person may say about a model's layers. */
export interface ArchitectureOptions {
  /** Path of an architecture, JSON (`model.to_json()`) or YAML (`model.to_yaml()`), or the name of a recipe in `models/`. */
  readonly arch?: string | undefined;
  /** Where the channels are in a model of Keras 0 or 1 whose layers do not say. */
  readonly ordering?: 'th' | 'tf' | undefined;
}

/** A model's layers as the file, a person or a recipe describes them. */
interface Architecture {
  readonly architecture: Json;
  readonly dialect: Dialect;
  /** Where the architecture is written, for errors. */
  readonly file: string;
  readonly recipe?: Recipe | undefined;
  readonly decisions: readonly Decision[];
}

/** What the caller names comes first, then the file's own, then a recipe that fits. */
export async function architectureOf(
  stored: Stored,
  options: ArchitectureOptions,
  file: string,
): Promise<Architecture> {
  const { arch, ordering } = options;
  if (arch === undefined && stored.architecture) {
    return written(stored.architecture, stored, { file, ordering, decisions: [] });
  }
  const recipes = readRecipes(arch);
  if (arch !== undefined && recipes.length === 0) {
    const json = await readArchitecture(arch);
    const evidence = `read from ${arch}`;
    const decision = {
      subject: 'architecture',
      value: arch,
      evidence,
      overrule: '--arch FILE|NAME',
    };
    return written(json, stored, { file: arch, ordering, decisions: [decision] });
  }
  const { architecture, dataFormat, recipe, decisions } = recognise(stored, recipes, file);
  const { generation, version } = stored;
  const dialect = { generation, version, dataFormat };
  return { architecture, dialect, file, recipe, decisions };
}

function written(
  architecture: Json,
  stored: Stored,
  rest: Pick<Architecture, 'file' | 'decisions'> & Pick<ArchitectureOptions, 'ordering'>,
): Architecture {
  const { ordering, file } = rest;
  const stated = architecture['keras_version'];
  const version = typeof stated === 'string' ? stated : stored.version;
  const generation = architectureGeneration(architecture, stated) ?? stored.generation;
  const question = { generation, version, asked: ordering, file };
  const { dataFormat, decisions } = decideDataFormat(architecture, question);
  const dialect = { generation, version, dataFormat };
  return { file, architecture, dialect, decisions: [...rest.decisions, ...decisions] };
}

/** An architecture without class names is Keras 0's; others may state their version, or Python modules as Keras 3 does. */
function architectureGeneration(architecture: Json, stated: unknown): Generation | undefined {
  if (!('class_name' in architecture)) return 'Keras 0';
  return typeof stated === 'string' ? generationOfVersion(stated) : undefined;
}

async function readArchitecture(arch: string): Promise<Json> {
  if (!existsSync(arch)) {
    const recipes = readRecipes().map(({ name }) => name);
    throw new ToolkitError(
      'FILE_MISSING',
      `There is neither a file nor a known architecture "${arch}"`,
      { where: { file: arch }, hint: `Known architectures: ${recipes.join(', ')}.` },
    );
  }
  const range = openRange(arch);
  try {
    const text = readText(range, largestText);
    const isJsonText = /^\uFEFF?\s*[[{"]/.test(text);
    return isJsonText ? parseJson(text, { file: arch }) : await parseYaml(text, { file: arch });
  } finally {
    closeSync(range.fd);
  }
}
