import type { ServeContext } from '../context.ts';
import { datatypes } from '../request/datatypes.ts';
import type { PortSpec } from '../running/messages.ts';
import type { ModelState } from './entry.ts';
import type { Models } from './models.ts';
import type { ServedVersion } from './served.ts';
import type { VersionStatistics } from './statistics.ts';
import { ensembleSuffix, findTarget, type Target, takesPictures } from './target.ts';

/** What the protocol says of a model. */
export interface ModelMetadata {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly PortSpec[];
  readonly outputs: readonly PortSpec[];
  /** Texts that clients may read: what it runs on, whether it takes pictures. */
  readonly properties: Readonly<Record<string, string>>;
}

type Which = { readonly model: string; readonly version?: string | undefined };

/** A model's metadata. Throws MODEL_UNKNOWN, MODEL_NOT_READY. */
export function metadataOf(models: Models, which: Which): ModelMetadata {
  const target = findTarget(models, which);
  const { served, name, isEnsemble } = target;
  const { batch } = served.spec;
  return {
    name,
    versions: models.versions(served.name).map(({ version }) => version),
    platform: platformOf(target),
    inputs: target.expected.inputs.map((port) => freed(port, target)),
    outputs: served.spec.outputs.map((port) => freed(port, target)),
    properties: {
      provider: served.spec.provider,
      partly_on_cpu: String(served.spec.isPartlyOnCpu),
      batching: batch.kind === 'none' ? `none: ${batch.reason}` : batch.kind,
      ...(isEnsemble && { ensemble_of: served.name }),
      ...(takesPictures(served) && { images: 'true' }),
    },
  };
}

const platformOf = ({ isEnsemble }: Target): string =>
  isEnsemble ? 'ensemble' : 'onnxruntime_onnx';

/** With a free first axis where any number of rows is taken. */
function freed({ name, datatype, shape }: PortSpec, { expected }: Target): PortSpec {
  return { name, datatype, shape: expected.isBatched ? [-1, ...shape.slice(1)] : shape };
}

/** A model's configuration as Triton spells it. */
export interface ConfigJson {
  readonly name: string;
  readonly platform: string;
  readonly backend: string;
  readonly max_batch_size: number;
  readonly input: readonly ConfigPort[];
  readonly output: readonly ConfigPort[];
  readonly instance_group: readonly {
    readonly name: string;
    readonly kind: string;
    readonly count: number;
  }[];
  readonly dynamic_batching?: {
    readonly preferred_batch_size: readonly number[];
    readonly max_queue_delay_microseconds: number;
  };
}

interface ConfigPort {
  readonly name: string;
  readonly data_type: string;
  readonly dims: readonly number[];
}

/** A model's configuration, as it is served. Throws MODEL_UNKNOWN, MODEL_NOT_READY. */
export function configOf(models: Models, which: Which): ConfigJson {
  const target = findTarget(models, which);
  const { served, name, isEnsemble } = target;
  const { maxRows, settings } = served;
  const port = ({ name: portName, datatype, shape }: PortSpec): ConfigPort => ({
    name: portName,
    data_type: datatypes[datatype].config,
    // An input of no further axes is one element a row.
    dims: maxRows === undefined ? shape : shape.length > 1 ? shape.slice(1) : [1],
  });
  const kind = settings.provider === 'cpu' ? 'KIND_CPU' : 'KIND_GPU';
  return {
    name,
    platform: platformOf(target),
    backend: isEnsemble ? '' : 'onnxruntime',
    max_batch_size: maxRows ?? 0,
    input: target.expected.inputs.map(port),
    output: served.spec.outputs.map(port),
    instance_group: [{ name: `${name}_0`, kind, count: settings.instances }],
    ...(maxRows !== undefined && {
      dynamic_batching: {
        preferred_batch_size: [maxRows],
        max_queue_delay_microseconds: Math.round(settings.delayMs * 1000),
      },
    }),
  };
}

/** A version in the repository index. */
export interface IndexEntry {
  readonly name: string;
  readonly version: string;
  readonly state: ModelState;
  readonly reason: string;
}

/** Every version of every model, with the ensembles that decode pictures for them. */
export function indexOf(models: Models, isReadyOnly: boolean): readonly IndexEntry[] {
  return models.list().flatMap(({ name, version, state, reason }) => {
    const entry = { name, version, state, reason };
    if (isReadyOnly && state !== 'READY') return [];
    const ensemble = name + ensembleSuffix;
    const served = models.versions(name).find((one) => one.version === version);
    const hasEnsemble = served && takesPictures(served) && !models.has(ensemble);
    return hasEnsemble ? [entry, { ...entry, name: ensemble }] : [entry];
  });
}

/** Names that can be asked for. */
export function modelNames({ models }: ServeContext): readonly string[] {
  return [...new Set(indexOf(models, false).map(({ name }) => name))];
}

/** Statistics of all models, of one, or of one version. Throws MODEL_UNKNOWN, MODEL_NOT_READY. */
export function statisticsOf(models: Models, which: Partial<Which>): readonly VersionStatistics[] {
  const { model, version } = which;
  if (model === undefined || model === '') {
    const names = new Set(models.list().map(({ name }) => name));
    return [...names].flatMap((name) => models.versions(name).map(countsOf));
  }
  const { served } = findTarget(models, { model, version });
  return version === undefined || version === ''
    ? models.versions(served.name).map(countsOf)
    : [countsOf(served)];
}

function countsOf({ name, version, statistics }: ServedVersion): VersionStatistics {
  return statistics.of(name, version);
}

/** What a model's file says, for people who look at it. */
export function summaryOf(models: Models, which: Which): Readonly<Record<string, unknown>> {
  const { served } = findTarget(models, which);
  const { about, inputs, outputs } = served.spec;
  return {
    name: served.name,
    version: served.version,
    ir_version: about.irVersion,
    opset: about.opset,
    bytes: about.bytes,
    nodes: about.nodes,
    parameters: about.parameters,
    operators: about.operators,
    inputs,
    outputs,
    classes: served.classes?.length,
    preprocess: about.pictures?.preprocess,
    no_pictures: about.noPictures,
    source: about.card.source,
    layers: about.card.layers,
    provider: served.spec.provider,
    max_batch_size: served.maxRows ?? 0,
  };
}
