import type { Expected } from '../request/check.ts';
import type { PortSpec } from '../running/messages.ts';
import type { Models } from './models.ts';
import type { ServedVersion } from './served.ts';

/** The version that a request means. */
export interface Target {
  /** As the client calls it. */
  readonly name: string;
  readonly served: ServedVersion;
  readonly expected: Expected;
  /** Whether it is the model whose first step decodes pictures. */
  readonly isEnsemble: boolean;
}

/** What is added to a model's name for the one that takes whole pictures. */
export const ensembleSuffix = '_image';

/** The one input of a model that takes whole pictures: JPEG, PNG, WebP and so on, one BYTES element each. */
const pictureInput: PortSpec = { name: 'image', datatype: 'BYTES', shape: [-1] };

/**
 * Finds what a request means: a model, or the ensemble NAME_image of a picture classifier NAME.
 *
 * Throws MODEL_UNKNOWN, MODEL_NOT_READY.
 */
export function findTarget(
  models: Models,
  { model, version }: { readonly model: string; readonly version?: string | undefined },
): Target {
  const of = ensembleOf(models, model);
  const served = models.find(of ?? model, version);
  return targetOf(served, { name: model, isEnsemble: of !== undefined });
}

/** The name of the model behind an ensemble; `undefined` for what is no ensemble. */
function ensembleOf(models: Models, name: string): string | undefined {
  if (!name.endsWith(ensembleSuffix) || models.has(name)) return undefined;
  const of = name.slice(0, -ensembleSuffix.length);
  return models.versions(of).some(takesPictures) ? of : undefined;
}

/** Whether a version takes whole pictures. */
export function takesPictures({ spec }: ServedVersion): boolean {
  return spec.about.pictures !== undefined;
}

/** What a version, or its ensemble, is measured by. */
function targetOf(
  served: ServedVersion,
  about: { readonly name: string; readonly isEnsemble: boolean },
): Target {
  const { spec, maxRows } = served;
  const { name, isEnsemble } = about;
  const port = spec.about.pictures?.input;
  const input = spec.inputs.find((candidate) => candidate.name === port);
  const expected: Expected = {
    model: name,
    inputs: isEnsemble ? [pictureInput] : spec.inputs,
    outputs: spec.outputs,
    isBatched: maxRows !== undefined,
    pictureInput: isEnsemble ? pictureInput.name : input?.name,
  };
  return { name, served, isEnsemble, expected };
}
