import type { Log } from '../serve/context.ts';
import type { Server } from '../serve/serve.ts';
import { assumedWords } from './assumed.ts';
import { note } from './terminal.ts';

/** What a server says of itself as it starts and ends. */
export interface ServerWords {
  /** Where it listens, as clients write it. */
  listening(addresses: { readonly http: string; readonly grpc: string | undefined }): void;
  /** What is served, what is not and why, or that there is nothing. */
  loaded(context: Server['context']): void;
  stopping(): void;
}

/** Sentences for a person at a terminal; lines of the log where stderr goes to a file or a program. */
export function serverWords(log: Log, isTerminal: boolean = process.stderr.isTTY): ServerWords {
  return isTerminal ? sentences : linesOf(log);
}

const waiting =
  'There is no model yet: NAME.onnx or NAME/VERSION/model.onnx in the folder will be served.';

const sentences: ServerWords = {
  listening({ http, grpc }) {
    note(`Listening at ${http}${grpc === undefined ? '' : `, gRPC at ${grpc}`}; loading models.`);
  },
  loaded(context) {
    const list = context.models.list();
    if (context.isReady()) note(`Ready: ${namesIn(list).join(', ')}`);
    for (const { name, version, reason } of list) {
      if (reason !== '') note(`Not served: ${name}${version && ` version ${version}`}: ${reason}`);
    }
    for (const words of assumedIn(context)) note(`Warning: ${words}`);
    if (list.length === 0) note(waiting);
  },
  stopping() {
    note('Stopping: requests that have come are answered first.');
  },
};

function linesOf(log: Log): ServerWords {
  return {
    listening: (addresses) => log.info(addresses, 'listening'),
    loaded(context) {
      const list = context.models.list();
      // Why a model is not served has a line of its own already.
      const failed = list.filter(({ reason }) => reason !== '');
      if (context.isReady()) log.info({ models: namesIn(list) }, 'ready');
      else if (list.length === 0) log.warn({ reason: waiting }, 'not ready');
      else log.warn({ not_served: namesIn(failed) }, 'not ready');
      for (const words of assumedIn(context)) log.warn({}, words);
    },
    stopping: () => log.info({}, 'stopping: requests that have come are answered first'),
  };
}

function namesIn(list: readonly { readonly name: string }[]): readonly string[] {
  return [...new Set(list.map(({ name }) => name))];
}

function assumedIn({ models }: Server['context']): readonly string[] {
  return namesIn(models.list()).flatMap((name) => {
    const preprocess = models.versions(name).at(-1)?.spec.about.pictures?.preprocess;
    return assumedWords(name, preprocess) ?? [];
  });
}
