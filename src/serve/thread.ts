import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { ToolkitError } from '../errors.ts';
import type { FaultMessage, FromWorker, ToWorker } from './messages.ts';

/** A worker seen from the server: a thread, or a process of its own. */
export interface Thread {
  post(message: ToWorker, transfer?: readonly ArrayBuffer[]): void;
  /** Of a process. */
  readonly pid: number | undefined;
}

/** What a worker is started with. */
export interface ThreadOptions {
  /** The bundled worker. Default: `serve-worker.js` beside this file. */
  readonly file?: string | undefined;
  /** Default false. A process survives what kills a thread together with the server, at the price of copies. */
  readonly isProcess?: boolean | undefined;
  readonly onMessage: (message: FromWorker) => void;
  /** It is gone: `reason` says why, `undefined` after it was told to close. */
  readonly onLost: (reason: string) => void;
}

/** Starts a worker. It lives until it is posted `close`, or is lost. */
export function startThread(options: ThreadOptions): Thread {
  const file = options.file ?? fileURLToPath(new URL('./serve-worker.js', import.meta.url));
  return options.isProcess === true ? processThread(file, options) : workerThread(file, options);
}

function workerThread(file: string, { onMessage, onLost }: ThreadOptions): Thread {
  const worker = new Worker(file, { stdout: false, stderr: false });
  let reason = 'it ended';
  worker.on('message', onMessage);
  worker.on('messageerror', (fault) => {
    reason = fault.message;
  });
  worker.on('error', (fault) => {
    reason = fault instanceof Error ? fault.message : String(fault);
  });
  worker.on('exit', () => onLost(reason));
  return {
    pid: undefined,
    post: (message, transfer = []) => worker.postMessage(message, transfer),
  };
}

function processThread(file: string, { onMessage, onLost }: ThreadOptions): Thread {
  const child = fork(file, { serialization: 'advanced' });
  let isOver = false;
  const over = (reason: string): void => {
    if (isOver) return;
    isOver = true;
    onLost(reason);
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the worker sends nothing else
  child.on('message', (message) => onMessage(message as FromWorker));
  child.on('error', (fault) => over(fault.message));
  child.on('exit', (code, signal) => over(signal ?? `it ended with ${code ?? 0}`));
  return {
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
