import type { ServeContext } from '../../src/serve/context.ts';
import { type HttpApp, type HttpOptions, openHttp } from '../../src/serve/http/http.ts';
import type { ModelEntry } from '../../src/serve/models/entry.ts';
import type { InferEvent, ServeObserver } from '../../src/serve/request/events.ts';

/** A context without a server: what is observed is said by the test. */
export interface FakeContext {
  readonly context: ServeContext;
  readonly observers: Set<ServeObserver>;
}

/** A context that knows the models of `list`. */
export function fakeContext(list: readonly Partial<ModelEntry>[] = []): FakeContext {
  const observers = new Set<ServeObserver>();
  const context = {
    name: 'graft',
    version: '1',
    models: { list: () => list },
    observe(observer: ServeObserver) {
      observers.add(observer);
      return () => observers.delete(observer);
    },
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all that what is tested here asks of a context
  return { context: context as unknown as ServeContext, observers };
}

/** An answered request of one row. */
export const answered: InferEvent = {
  model: 'm',
  version: '1',
  door: 'http',
  rows: 1,
  outcome: 'success',
  startedMs: Date.UTC(2020, 0, 2, 3, 4, 5),
  totalNs: 10e6,
  queueNs: 1e6,
  computeInputNs: 2e6,
  computeInferNs: 5e6,
  computeOutputNs: 0.5e6,
  requestId: 'r-1',
};

const silent = (): void => undefined;

/** The HTTP door with nothing behind it. */
export function bareApp(options: Partial<HttpOptions> = {}): HttpApp {
  return openHttp({
    bodyLimit: 1000,
    totalBodyLimit: 1000,
    receiveMs: 10_000,
    silenceMs: 10_000,
    gates: [],
    tls: undefined,
    log: { info: silent, warn: silent, error: silent },
    isDraining: () => false,
    ...options,
  });
}
