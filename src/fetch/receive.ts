import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { ToolkitError } from '../errors.ts';
import { outputFault } from '../output.ts';
import {
  discard,
  forgetOrigin,
  type Origin,
  partialBytes,
  type ResumePoint,
  startOver,
} from './partial.ts';
import type { Source } from './sources.ts';
import { signatureOf, sizeBounds } from './verify.ts';

/** What is being downloaded, and into which file. */
export interface Target {
  readonly source: Source;
  /** The unfinished file. */
  readonly part: string;
  readonly onBytes: (bytes: number, total: number | undefined) => void;
}

/** Why an address did not give the file, and whether asking it again can help. */
export interface Refusal {
  readonly reason: string;
  readonly again: boolean;
}

/** What was asked for: from which byte on, and where. */
interface Request {
  readonly address: string;
  readonly point: ResumePoint | undefined;
  /** Told of each piece that arrives. */
  readonly onChunk: () => void;
}

/** What an answer brings: bytes from `start` on, of this version of the file. */
interface Delivery {
  readonly start: number;
  readonly origin: Origin;
}

/**
 * Writes what a server answers into the unfinished file, or says why it is not what was asked for.
 *
 * Throws OUTPUT_UNWRITABLE, and whatever the network throws while the body is read.
 */
export async function take(
  response: Response,
  request: Request,
  target: Target,
): Promise<Refusal | undefined> {
  const delivery = delivered(response, request, target.source);
  if ('reason' in delivery) {
    if (delivery.restart === true) await forgetOrigin(target.part);
    return delivery;
  }
  const { part } = target;
  const file = await saving(part, () => open(part, constants.O_RDWR | constants.O_CREAT));
  try {
    return await fill(file, response, { ...request, ...delivery }, target);
  } finally {
    await file.close();
    if ((await partialBytes(part)) === 0) await discard(part);
  }
}

type Judgement = Delivery | (Refusal & { readonly restart?: boolean });

function delivered(response: Response, request: Request, source: Source): Judgement {
  const { status, statusText, headers } = response;
  if (status === 206 || status === 416) return continued(response, request);
  if (status === 200) return whole(headers, request, source);
  const again = status >= 500 || status === 429 || status === 408;
  return { reason: `${status} ${statusText}`.trim(), again };
}

function continued({ status, headers }: Response, { address, point }: Request): Judgement {
  const range = /^bytes (\d+)-/.exec(headers.get('content-range') ?? '');
  if (point && status === 206 && Number(range?.[1]) === point.bytes) {
    return { start: point.bytes, origin: { address, total: point.total } };
  }
  const reason = `${status}: it cannot go on from byte ${point?.bytes ?? 0}`;
  return { reason, again: true, restart: true };
}

function whole(headers: Headers, { address }: Request, source: Source): Judgement {
  const origin = originOf(headers, address);
  const [least, most] = sizeBounds(source.check);
  if (origin.total === undefined || (origin.total >= least && origin.total <= most)) {
    return { start: 0, origin };
  }
  const reason = `it has ${origin.total} bytes where ${least} to ${most} are expected`;
  return { reason: pageOr(headers, reason), again: false };
}

function originOf(headers: Headers, address: string): Origin {
  // What a server compresses in spite of us is of unknown length and cannot be continued
  if (headers.has('content-encoding')) return { address };
  const length = headers.get('content-length');
  return {
    address,
    etag: headers.get('etag') ?? undefined,
    lastModified: headers.get('last-modified') ?? undefined,
    total: length === null ? undefined : Number(length),
  };
}

function pageOr(headers: Headers, reason: string): string {
  const isPage = headers.get('content-type')?.startsWith('text/html') === true;
  return isPage ? 'it answered with a web page instead of the file' : reason;
}

async function fill(
  file: FileHandle,
  { body, status, headers }: Response,
  { start, origin, onChunk }: Request & Delivery,
  { part, source, onBytes }: Target,
): Promise<Refusal | undefined> {
  const signature = signatureOf(source);
  const [, most] = sizeBounds(source.check);
  let position = start;
  for await (const chunk of bytesOf(body)) {
    onChunk();
    if (position === 0) {
      // What an earlier attempt left is given up only for something that begins as it must
      if (!begins(chunk, signature)) break;
      await saving(part, () => startOver(part, file, origin));
    }
    const at = position;
    position += chunk.length;
    if (position > most) return { reason: `it sent more than ${most} bytes`, again: false };
    await saving(part, () => writeAt(file, chunk, at));
    onBytes(position, origin.total);
  }
  if (position === 0) {
    const reason = `${status}, but what it sent does not begin like such a file`;
    return { reason: pageOr(headers, reason), again: false };
  }
  if (origin.total !== undefined && position !== origin.total) {
    return { reason: `it ended after ${position} of ${origin.total} bytes`, again: true };
  }
  await saving(part, () => file.sync());
  return undefined;
}

async function* bytesOf(body: Response['body']): AsyncGenerator<Uint8Array> {
  if (!body) return;
  for await (const chunk of body) {
    if (chunk instanceof Uint8Array && chunk.length > 0) yield chunk;
  }
}

function begins(chunk: Uint8Array, signature: Uint8Array): boolean {
  const length = Math.min(chunk.length, signature.length);
  return Buffer.from(signature.subarray(0, length)).equals(chunk.subarray(0, length));
}

async function writeAt(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    const { bytesWritten } = await file.write(chunk, done, chunk.length - done, position + done);
    done += bytesWritten;
  }
}

async function saving<T>(part: string, save: () => Promise<T>): Promise<T> {
  try {
    return await save();
  } catch (cause) {
    const fault = outputFault(cause, part);
    const what = fault instanceof Error ? fault.message.split('\n', 1)[0] : String(fault);
    const kept = await partialBytes(part);
    throw new ToolkitError('OUTPUT_UNWRITABLE', `The download cannot be kept: ${what}`, {
      where: { file: part },
      hint: `Make room, or choose another cache folder. ${kept} bytes are kept: a second call goes on from there.`,
      cause,
    });
  }
}
