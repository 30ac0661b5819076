import { setTimeout as wait } from 'node:timers/promises';
import { ToolkitError } from '../errors.ts';
import { type ResumePoint, resumePoint } from './partial.ts';
import { type Refusal, type Target, take } from './receive.ts';

/** How a download is made, from whichever address. */
export interface Transfer extends Target {
  /** Attempts at one address before it is given up. */
  readonly attempts: number;
  /** Wait before the second attempt; each further one waits twice as long. */
  readonly waitMs: number;
  /** An attempt is given up when nothing arrives for so long. */
  readonly idleMs: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Downloads one address into `part`, going on where an earlier attempt stopped.
 *
 * Returns why it did not work, or nothing when the file has arrived whole; it is not verified here.
 * Memory: one network chunk. Throws OUTPUT_UNWRITABLE, and the signal's reason.
 */
export async function download(address: string, transfer: Transfer): Promise<string | undefined> {
  let reason = '';
  for (let attempt = 0; attempt < transfer.attempts; attempt++) {
    if (attempt > 0) {
      await wait(transfer.waitMs * 2 ** (attempt - 1), undefined, { signal: transfer.signal });
    }
    const refusal = await tryOnce(address, transfer);
    if (!refusal) return undefined;
    reason = refusal.reason;
    if (!refusal.again) break;
  }
  return reason;
}

async function tryOnce(address: string, transfer: Transfer): Promise<Refusal | undefined> {
  const point = await resumePoint(transfer.part, address);
  if (point && point.bytes === point.total) return undefined;
  const idle = new AbortController();
  const timer = setTimeout(
    () => idle.abort(new Error(`nothing arrived for ${transfer.idleMs / 1000} s`)),
    transfer.idleMs,
  );
  const signals = transfer.signal ? [idle.signal, transfer.signal] : [idle.signal];
  try {
    const response = await fetch(address, {
      headers: headersFor(point),
      signal: AbortSignal.any(signals),
    });
    const refusal = await take(
      response,
      { address, point, onChunk: () => timer.refresh() },
      transfer,
    );
    // The rest of a body that is not wanted is not read
    if (refusal) idle.abort();
    return refusal;
  } catch (error) {
    transfer.signal?.throwIfAborted();
    if (error instanceof ToolkitError) throw error;
    return networkRefusal(error);
  } finally {
    clearTimeout(timer);
  }
}

function headersFor(point: ResumePoint | undefined): Record<string, string> {
  // Positions in a compressed answer would not be positions in the file
  const identity = { 'accept-encoding': 'identity' };
  if (!point) return identity;
  return { ...identity, range: `bytes=${point.bytes}-`, 'if-range': point.validator };
}

/** Faults that asking again will not mend. */
const final = new Set(['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'ERR_INVALID_URL']);

function networkRefusal(error: unknown): Refusal {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const text = cause instanceof Error ? cause.message : String(cause);
  const reason = code && !text.includes(code) ? `${text} (${code})` : text;
  return { reason, again: !final.has(code) && !code.startsWith('CERT_') };
}
