import { availableParallelism } from 'node:os';
import { ToolkitError } from '../../errors.ts';
import type { Provider } from '../../runtime/providers.ts';
import { sizeOf } from '../../tensor.ts';
import { datatypes } from '../request/datatypes.ts';
import type { BatchEvent } from '../request/events.ts';
import type { Instance } from '../running/instance.ts';
import type { ModelSpec } from '../running/messages.ts';
import { Pool } from '../running/pool.ts';
import { Queue } from '../running/queue.ts';
import type { Workers } from '../running/workers.ts';
import { InUse } from './in-use.ts';
import { configFault, type ModelConfig } from './model-config.ts';
import { Statistics } from './statistics.ts';

/** What holds for every model whose own configuration does not say otherwise. */
export interface ServingDefaults {
  readonly provider: Provider;
  /** Rows of a run at most. Default 32. */
  readonly maxBatchSize: number;
  /** How long a request may wait for others while an instance has nothing to do. Default 0. */
  readonly delayMs: number;
  /** Requests of a model that may wait. Default 1,024. */
  readonly maxWaiting: number;
  /** Bytes of requests of a model that may wait. Default 256 MiB. */
  readonly maxWaitingBytes: number;
  /** Time for a request, from its arrival to its answer. Default 60 s. */
  readonly timeoutMs: number;
  /** Sessions of a model at once. Default 1. */
  readonly instances: number;
  /** Threads inside one operator. Default: the processors, shared among the instances. */
  readonly threads: number | undefined;
}

/** A version that takes requests. */
export interface ServedVersion {
  readonly name: string;
  readonly version: string;
  readonly spec: ModelSpec;
  /** Rows that one run can take; `undefined` where the first axis is no batch. */
  readonly maxRows: number | undefined;
  readonly settings: ServingDefaults;
  readonly classes: readonly string[] | undefined;
  readonly pool: Pool;
  readonly queue: Queue<Instance>;
  readonly statistics: Statistics;
  /** Of the ensemble that takes whole pictures; what it asks of this model is counted above as well. */
  readonly ensembleStatistics: Statistics;
  /** Requests from their first look at it to their answer: between the two, their pictures are decoded. */
  readonly inUse: InUse;
  readonly loadedMs: number;
}

/** What a version is opened with. */
export interface Opening {
  readonly name: string;
  readonly version: string;
  readonly path: string;
  /** An empty folder for its private copy. */
  readonly copy: string;
  readonly config: ModelConfig;
  readonly labels: readonly string[] | undefined;
  readonly defaults: ServingDefaults;
  readonly workers: Workers;
  readonly onBatch: (event: BatchEvent) => void;
  readonly onLost: (reason: string) => void;
}

/** Opens a version: copied, loaded, tried and warmed up. Throws what `openSession` throws, and MODEL_CONFIG_INVALID. */
export async function openVersion(opening: Opening): Promise<ServedVersion> {
  const { name, version, config } = opening;
  const settings = settingsOf(config, opening.defaults);
  const { maxBatchSize } = settings;
  const isOnCpu = settings.provider === 'cpu';
  let queue: Queue<Instance> | undefined;
  const pool = await Pool.open({
    path: opening.path,
    copy: opening.copy,
    instances: settings.instances,
    workers: opening.workers,
    open: {
      provider: settings.provider,
      threads: settings.threads,
      batched: config.maxBatchSize === undefined ? undefined : config.maxBatchSize > 0,
      // A GPU chooses its kernels, and gets its memory, anew for each size.
      warm: isOnCpu ? [1] : powersUpTo(maxBatchSize),
    },
    onLost: opening.onLost,
    onFree: () => queue?.pump(),
  });
  try {
    checkOutputs(pool.spec, config);
    const maxRows = maxRowsOf(pool.spec, config, maxBatchSize);
    const statistics = new Statistics();
    const limits = { ...settings, maxRows: joinedRowsOf(pool.spec, maxRows ?? 1) };
    queue = new Queue(pool, limits, (event) => {
      statistics.run(event);
      opening.onBatch({ model: name, version, ...event });
    });
    // As with Triton: what lies beside a model is what its operator has corrected last.
    const classes = opening.labels ?? pool.spec.about.card.classes;
    const about = { name, version, spec: pool.spec, maxRows, settings, classes };
    return {
      ...about,
      pool,
      queue,
      statistics,
      ensembleStatistics: new Statistics(),
      inUse: new InUse(),
      loadedMs: Date.now(),
    };
  } catch (fault) {
    await pool.close();
    throw fault;
  }
}

/** Ends a version when all its requests have been answered. */
export async function closeVersion({ inUse, queue, pool }: ServedVersion): Promise<void> {
  await inUse.free();
  await queue.drain();
  await pool.close();
}

function settingsOf(config: ModelConfig, defaults: ServingDefaults): ServingDefaults {
  const instances = config.instances ?? defaults.instances;
  const processors = Math.max(1, Math.floor(availableParallelism() / instances));
  return {
    provider: defaults.provider,
    maxBatchSize: config.maxBatchSize ?? defaults.maxBatchSize,
    delayMs: config.delayMs ?? defaults.delayMs,
    maxWaiting: config.maxWaiting ?? defaults.maxWaiting,
    maxWaitingBytes: defaults.maxWaitingBytes,
    timeoutMs: config.timeoutMs ?? defaults.timeoutMs,
    instances,
    threads: config.threads ?? defaults.threads ?? processors,
  };
}

function checkOutputs({ outputs }: ModelSpec, config: ModelConfig): void {
  const names = outputs.map(({ name }) => name);
  const unknown = config.outputs?.filter((name) => !names.includes(name)) ?? [];
  if (unknown.length === 0) return;
  throw configFault(
    `the model has no output "${unknown.join('", "')}", it has "${names.join('", "')}"`,
  );
}

function maxRowsOf(
  { batch }: ModelSpec,
  config: ModelConfig,
  maxBatchSize: number,
): number | undefined {
  if (batch.kind === 'dynamic') return Math.max(1, maxBatchSize);
  if (batch.kind === 'fixed') return batch.size;
  if ((config.maxBatchSize ?? 0) === 0) return undefined;
  throw new ToolkitError(
    'MODEL_CONFIG_INVALID',
    `max_batch_size is ${config.maxBatchSize ?? 0}, but the model has no batch: ${batch.reason}`,
    { hint: 'Say max_batch_size: 0, or leave it out.' },
  );
}

/**
 * What a processor's caches hold: a MobileNet takes 3.3 ms of a core for a row of 0.6 MB in runs of 4 rows, 4.1 ms in
 * runs of 32, and whoever comes next waits for the whole run.
 */
const joinedBytes = 4 * 1024 * 1024;

/** Rows of different requests that share a run. A request of more rows is run as it is. */
function joinedRowsOf({ batch, inputs, provider }: ModelSpec, maxRows: number): number {
  const shapes = inputs.map(({ shape, datatype }) => ({ row: shape.slice(1), datatype }));
  const isKnown = shapes.every(({ row }) => row.every((dim) => dim > 0));
  if (provider !== 'cpu' || batch.kind !== 'dynamic' || !isKnown) return maxRows;
  const rowBytes = shapes.reduce(
    (sum, { row, datatype }) => sum + sizeOf(row) * datatypes[datatype].bytes,
    0,
  );
  return Math.max(1, Math.min(maxRows, Math.floor(joinedBytes / Math.max(1, rowBytes))));
}

function powersUpTo(most: number): number[] {
  const sizes: number[] = [];
  for (let size = 1; size < most; size *= 2) sizes.push(size);
  return [...sizes, most];
}
