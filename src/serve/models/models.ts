import { dirname } from 'node:path';
import { ToolkitError } from '../../errors.ts';
import type { ServeObserver } from '../request/events.ts';
import { errorText } from '../request/faults.ts';
import type { ModelSpec } from '../running/messages.ts';
import type { Workers } from '../running/workers.ts';
import { Copies } from './copies.ts';
import {
  controlRefused,
  type Entry,
  emptyEntry,
  type ModelEntry,
  notReady,
  unknown,
} from './entry.ts';
import {
  type FoundModel,
  type FoundVersion,
  findAll,
  findModels,
  notesOn,
  refuseTwins,
  wantedVersions,
  withoutTwins,
} from './layout.ts';
import type { ModelConfig } from './model-config.ts';
import { closeVersion, openVersion, type ServedVersion, type ServingDefaults } from './served.ts';

/** What the models are served with. */
export interface ModelsOptions {
  /** ONNX files, and folders of models. */
  readonly sources: readonly string[];
  readonly defaults: ServingDefaults;
  readonly workers: Workers;
  /** Whether requests may load and unload models. */
  readonly isControllable: boolean;
  /** Milliseconds between looks at the files; 0: they are looked at when asked to load only. */
  readonly pollMs: number;
  /** Where private copies are made. Default: the system's temporary folder. */
  readonly copies: string | undefined;
  readonly observer: Required<Pick<ServeObserver, 'onBatch' | 'onModel'>>;
  /** What is to be done with a version that is open before it takes requests. */
  readonly prepare: (spec: ModelSpec) => Promise<void>;
}

/** The models by name and version: loaded, reloaded when their files change, unloaded. One such thing at a time. */
export class Models {
  readonly #options: ModelsOptions;
  readonly #copies: Copies;
  readonly #entries = new Map<string, Map<string, Entry>>();
  /** Models that were unloaded on request: they stay so until they are loaded on request. */
  readonly #unloaded = new Set<string>();
  readonly #closing = new Set<Promise<void>>();
  #last: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #isLoaded = false;
  #isClosed = false;

  constructor(options: ModelsOptions) {
    this.#options = options;
    this.#copies = new Copies(options.copies);
  }

  /** Loads all models. What fails is in the index. Throws FILE_MISSING, and OPTION_INVALID where two have one name. */
  async start(): Promise<void> {
    await this.#serially(async () => {
      const all = await findAll(this.#options.sources);
      refuseTwins(all);
      for (const found of all) await this.#bring(found, { isForced: true });
    });
    this.#isLoaded = true;
    this.#poll();
  }

  /** Whether there are models, and each has a version that takes requests. */
  isReady(): boolean {
    const models = [...this.#entries.values()];
    return (
      this.#isLoaded &&
      models.length > 0 &&
      models.every((versions) => [...versions.values()].some(({ served }) => served))
    );
  }

  /** The version that takes requests; default: the latest. Throws MODEL_UNKNOWN, MODEL_NOT_READY. */
  find(name: string, version?: string): ServedVersion {
    const versions = this.#entries.get(name);
    if (!versions) {
      throw unknown(`Request for unknown model: '${name}' is not found`, [...this.#entries.keys()]);
    }
    if (version !== undefined && version !== '') {
      const entry = versions.get(version);
      if (entry?.served) return entry.served;
      if (entry) throw notReady(entry);
      throw unknown(
        `Request for unknown model: '${name}' version ${version} is not at ready state`,
        [...versions.keys()],
      );
    }
    const entries = [...versions.values()].toSorted(
      (a, b) => Number(b.version) - Number(a.version),
    );
    const ready = entries.find(({ served }) => served);
    if (ready?.served) return ready.served;
    throw notReady(entries[0] ?? { name, version: '', state: 'UNAVAILABLE', reason: '' });
  }

  /** Whether there is a model of that name, ready or not. */
  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** Every version that is known, ready or not. */
  list(): readonly ModelEntry[] {
    return [...this.#entries.values()].flatMap((versions) =>
      [...versions.values()].map(({ name, version, state, reason, served }) => ({
        name,
        version,
        state,
        reason,
        pending: served?.queue.pending ?? 0,
        instances: served?.pool.size ?? 0,
      })),
    );
  }

  /** The versions of a model that take requests, oldest first. */
  versions(name: string): readonly ServedVersion[] {
    return [...(this.#entries.get(name)?.values() ?? [])]
      .flatMap(({ served }) => served ?? [])
      .toSorted((a, b) => Number(a.version) - Number(b.version));
  }

  /**
   * Loads a model that lies on disk, or loads it again if its files have changed; `config` overrules its own.
   *
   * Throws CONTROL_REFUSED, MODEL_UNKNOWN when it is not there, and MODEL_NOT_READY when it could not be loaded.
   */
  async load(name: string, config?: ModelConfig): Promise<void> {
    if (!this.#options.isControllable) throw controlRefused();
    await this.#serially(async () => {
      const all = withoutTwins(await findAll(this.#options.sources));
      const found = all.find((model) => model.name === name);
      if (!found) {
        const hint = all.map((model) => model.name);
        throw unknown(`failed to load '${name}', failed to poll from model repository`, hint);
      }
      this.#unloaded.delete(name);
      const model = config ? { ...found, config: { ...found.config, ...config } } : found;
      await this.#bring(model, {
        isForced: config !== undefined || this.versions(name).length === 0,
      });
      const failed = [...(this.#entries.get(name)?.values() ?? [])].find(({ reason }) => reason);
      if (failed) throw notReady(failed);
    });
  }

  /** Takes a model out of service after its requests. Throws CONTROL_REFUSED, MODEL_UNKNOWN. */
  async unload(name: string): Promise<void> {
    if (!this.#options.isControllable) throw controlRefused();
    await this.#serially(async () => {
      const versions = this.#entries.get(name);
      if (!versions) {
        throw unknown(`failed to unload '${name}', it is not known`, [...this.#entries.keys()]);
      }
      this.#unloaded.add(name);
      await Promise.all([...versions.values()].map((entry) => this.#retire(entry, 'unloaded')));
    });
  }

  /** Waits for every request of every model. */
  async drain(): Promise<void> {
    const requests = this.#served().map(async ({ inUse }) => inUse.free());
    await Promise.all([...requests, ...this.#closing]);
  }

  /** Ends all models after their requests, and removes the private copies. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#last.catch(() => undefined);
    await Promise.all([...this.#served().map(closeVersion), ...this.#closing]);
    this.#copies.close();
  }

  #served(): readonly ServedVersion[] {
    return [...this.#entries.keys()].flatMap((name) => this.versions(name));
  }

  async #serially<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.catch(() => undefined).then(work);
    this.#last = mine;
    return mine;
  }

  #poll(): void {
    const { pollMs } = this.#options;
    if (pollMs === 0 || this.#isClosed) return;
    this.#timer = setTimeout(() => {
      const look = this.#serially(async () => this.#look());
      void look.catch(() => undefined).then(() => this.#poll());
    }, pollMs);
    this.#timer.unref();
  }

  /** Loads what has changed, and takes out of service what is gone from a folder. */
  async #look(): Promise<void> {
    const { sources } = this.#options;
    const results = await Promise.allSettled(sources.map(findModels));
    const found = results.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
    for (const model of withoutTwins(found)) {
      if (!this.#unloaded.has(model.name)) await this.#bring(model, { isForced: false });
    }
    // A file that was named itself, and is not there for a moment, stays in service.
    if (results.some(({ status }) => status === 'rejected')) return;
    const names = new Set(found.map(({ name }) => name));
    for (const [name, versions] of this.#entries) {
      if (names.has(name)) continue;
      const entries = [...versions.values()];
      const wasGone = entries.every(({ unsettled }) => unsettled === 'gone');
      for (const entry of entries) entry.unsettled = 'gone';
      if (!wasGone) continue;
      await Promise.all(entries.map((entry) => this.#retire(entry, 'its files are gone')));
      this.#entries.delete(name);
    }
  }

  async #bring(found: FoundModel, how: { readonly isForced: boolean }): Promise<void> {
    const versions = this.#entries.get(found.name) ?? new Map<string, Entry>();
    this.#entries.set(found.name, versions);
    const wanted = wantedVersions(found);
    if (found.fault !== undefined || wanted.length === 0) {
      this.#note(found, versions, found.fault ?? 'its version policy asks for none that is there');
      return;
    }
    for (const version of wanted) await this.#bringVersion(found, version, how);
    const isWhole = wanted.every(({ version }) => versions.get(version)?.served);
    if (!isWhole) return;
    // The versions before stay until the new ones are there.
    const left = [...versions.values()].filter(
      (entry) => !wanted.some(({ version }) => version === entry.version),
    );
    for (const entry of left) {
      versions.delete(entry.version);
      await this.#retire(entry, 'replaced by a newer version');
    }
  }

  /** A folder that is at fault: what is served of it stays. */
  #note({ name }: FoundModel, versions: Map<string, Entry>, reason: string): void {
    if (versions.size === 0) versions.set('', emptyEntry(name, ''));
    for (const entry of versions.values()) {
      if (entry.reason === reason) continue;
      // So that its files are looked at again when the fault is gone.
      entry.stamp = reason;
      if (!entry.served) entry.state = 'UNAVAILABLE';
      entry.reason = reason;
      this.#options.observer.onModel({
        kind: 'failed',
        model: name,
        version: entry.version,
        reason,
      });
    }
  }

  async #bringVersion(
    found: FoundModel,
    { version, path, stamp }: FoundVersion,
    { isForced }: { readonly isForced: boolean },
  ): Promise<void> {
    const versions = this.#entries.get(found.name);
    const entry = versions?.get(version) ?? emptyEntry(found.name, version);
    versions?.delete('');
    versions?.set(version, entry);
    if (entry.stamp === stamp && !isForced && (entry.served || entry.reason !== 'unloaded')) {
      entry.unsettled = undefined;
      return;
    }
    const isSettled = entry.stamp === '' || entry.unsettled === stamp;
    entry.unsettled = stamp;
    if (!isSettled && !isForced) return;
    await this.#open(entry, { found, path });
    entry.stamp = stamp;
    entry.unsettled = undefined;
  }

  async #open(
    entry: Entry,
    { found, path }: { readonly found: FoundModel; readonly path: string },
  ): Promise<void> {
    const { name, version } = entry;
    const { observer, defaults, workers } = this.#options;
    const about = { model: name, version };
    if (!entry.served) entry.state = 'LOADING';
    const copy = await this.#copies.make();
    try {
      const served = await openVersion({
        name,
        version,
        path,
        copy,
        config: found.config,
        labels: found.labels,
        defaults,
        workers,
        onBatch: observer.onBatch,
        onLost: (reason) => observer.onModel({ kind: 'worker-lost', ...about, reason }),
      });
      await this.#options.prepare(served.spec);
      const old = entry.served;
      entry.served = served;
      entry.state = 'READY';
      entry.reason = '';
      observer.onModel({ kind: 'loaded', ...about });
      if (old) void this.#close(old);
      for (const reason of notesOn(found, served.spec.about.card.classes))
        observer.onModel({ kind: 'note', ...about, reason });
    } catch (fault) {
      this.#copies.remove(copy);
      const text = fault instanceof ToolkitError ? errorText(fault) : String(fault);
      entry.reason = entry.served ? `the new file is not served: ${text}` : text;
      entry.state = entry.served ? 'READY' : 'UNAVAILABLE';
      observer.onModel({ kind: 'failed', ...about, reason: entry.reason });
    }
  }

  async #retire(entry: Entry, reason: string): Promise<void> {
    const { served } = entry;
    entry.served = undefined;
    entry.reason = reason;
    entry.state = 'UNAVAILABLE';
    if (!served) return;
    const { name: model, version } = entry;
    this.#options.observer.onModel({ kind: 'unloaded', model, version, reason });
    await this.#close(served);
  }

  async #close(served: ServedVersion): Promise<void> {
    const closing = closeVersion(served).then(() => this.#copies.remove(dirname(served.pool.path)));
    this.#closing.add(closing);
    try {
      await closing;
    } finally {
      this.#closing.delete(closing);
    }
  }
}
