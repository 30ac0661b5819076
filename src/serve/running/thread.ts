import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { ToolkitError } from '../../errors.ts';
import type { FaultMessage, FromWorker, ToWorker } from './messages.ts';

/** A worker seen from the server: a thread, or a process of its own. */
export interface Thread {
  /** From now on this one is told, and no other. */
  listen(listener: Listener): void;
  post(message: ToWorker, transfer?: readonly ArrayBuffer[]): void;
  /** Of a process. */
  readonly pid: number | undefined;
}

/** How workers are started. */
export interface WorkerOptions {
  /** The bundled worker. Default: `serve-worker.js` beside this file. */
  readonly file?: string | undefined;
  /** Default false. A process survives what kills a thread together with the server, at the price of copies. */
  readonly isProcess?: boolean | undefined;
}

/** Who is told of what a worker says. */
export interface Listener {
  readonly onMessage: (message: FromWorker) => void;
  /** It is gone, and why. */
  readonly onLost: (reason: string) => void;
}

/** Starts a worker. It lives until it is posted `close`, or is lost. */
export function startThread(options: WorkerOptions): Thread {
  const file = options.file ?? fileURLToPath(new URL('./serve-worker.js', import.meta.url));
  return options.isProcess === true ? processThread(file) : workerThread(file);
}

const deaf: Listener = { onMessage: () => undefined, onLost: () => undefined };

function workerThread(file: string): Thread {
  let listener = deaf;
  // A worker makes little garbage at a time, and would otherwise keep tens of megabytes for it.
  const worker = new Worker(file, { resourceLimits: { maxYoungGenerationSizeMb: 8 } });
  let reason = 'it ended';
  worker.on('message', (message: FromWorker) => listener.onMessage(message));
  worker.on('messageerror', (fault) => {
    reason = fault.message;
  });
  worker.on('error', (fault) => {
    reason = fault instanceof Error ? fault.message : String(fault);
  });
  worker.on('exit', () => listener.onLost(reason));
  return {
    listen(next) {
      listener = next;
    },
    pid: undefined,
    post: (message, transfer = []) => worker.postMessage(message, transfer),
  };
}

function processThread(file: string): Thread {
  let listener = deaf;
  const child = fork(file, { serialization: 'advanced' });
  let isOver = false;
  const over = (reason: string): void => {
    if (isOver) return;
    isOver = true;
    listener.onLost(reason);
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the worker sends nothing else
  child.on('message', (message) => listener.onMessage(message as FromWorker));
  child.on('error', (fault) => over(fault.message));
  child.on('exit', (code, signal) => over(signal ?? `it ended with ${code ?? 0}`));
  return {
    listen(next) {
      listener = next;
    },
    pid: child.pid,
    post(message) {
      if (child.connected) child.send(message, (fault) => fault && over(fault.message));
    },
  };
}

/** The fault that a worker reported, as if it had been thrown here. */
export function faultOf({ code, what, hint }: FaultMessage): Error {
  return code === undefined ? new Error(what) : new ToolkitError(code, what, { hint });
}
