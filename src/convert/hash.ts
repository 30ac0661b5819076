import { Worker } from 'node:worker_threads';
import { ToolkitError } from '../errors.ts';

/** What the thread runs: it must be text, because the built package is one file. */
const thread = `
const { createHash } = require('node:crypto');
const { openSync, readSync, closeSync } = require('node:fs');
const { parentPort, workerData } = require('node:worker_threads');
const file = openSync(workerData, 'r');
try {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(4 * 1024 * 1024);
  for (let count = readSync(file, chunk); count > 0; count = readSync(file, chunk)) {
    hash.update(chunk.subarray(0, count));
  }
  parentPort.postMessage(hash.digest('hex'));
} finally {
  closeSync(file);
}
`;

/**
 * SHA-256 of a file, in hexadecimal, made on a thread of its own while weights are being copied.
 *
 * `cancel` ends the thread, whether or not the digest was asked for. Memory: 4 MiB. The digest rejects with
 * FILE_UNREADABLE.
 */
export function sha256Of(file: string): {
  readonly digest: Promise<string>;
  cancel(): Promise<void>;
} {
  const worker = new Worker(thread, { eval: true, workerData: file });
  const digest = new Promise<string>((resolve, reject) => {
    worker.once('message', (hex: unknown) => {
      resolve(String(hex));
    });
    worker.once('error', (cause) => {
      reject(
        new ToolkitError('FILE_UNREADABLE', 'The file cannot be read', {
          where: { file },
          hint: 'Check its permissions, and that it stays where it is meanwhile.',
          cause,
        }),
      );
    });
  });
  // Nobody may ask for the digest when writing fails first.
  digest.catch(() => undefined);
  return {
    digest,
    cancel: async () => {
      await worker.terminate();
    },
  };
}
