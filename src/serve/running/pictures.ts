import { ToolkitError } from '../../errors.ts';
import type { Preprocess } from '../../runtime/model.ts';
import { pictureKind } from '../../runtime/picture-kind.ts';
import type { Leaving } from '../request/leaving.ts';
import { cancelled } from '../request/waiting.ts';
import type { FromWorker } from './messages.ts';
import { pictureRow } from './picture-row.ts';
import { faultOf, type Thread } from './thread.ts';
import { tinyPictures } from './tiny-pictures.ts';
import type { Workers } from './workers.ts';

/** What bounds the decoding of pictures. */
export interface PictureLimits {
  /** Larger pictures are refused by their header. */
  readonly maxPixels: number;
  /** Pictures that may wait to be decoded. */
  readonly maxWaiting: number;
}

/** Pictures that are decoded at once: each may take three bytes a pixel. Node's thread pool has four threads. */
const atOnce = 4;

interface Order {
  readonly bytes: Uint8Array;
  readonly preprocess: Preprocess;
  readonly leaving: Leaving | undefined;
  resolve(row: Uint8Array): void;
  reject(fault: unknown): void;
}

/**
 * Whether a picture costs this thread no more than the way to another one: the decoding of these is one job of the
 * thread pool, and of what comes out of it, `nearest` looks at the few pixels that it takes.
 */
function isQuick(picture: Uint8Array, { resize }: Preprocess): boolean {
  const kind = pictureKind((offset, length) => picture.subarray(offset, offset + length));
  const isPooled = kind?.format === 'jpeg' || kind?.format === 'png' || kind?.format === 'webp';
  return isPooled && kind.samples === 'bytes' && resize === 'nearest';
}

/** Decodes pictures to rows of a model's input, in a worker that is started when the first one comes, or by `warm`. */
export class Pictures {
  readonly #workers: Workers;
  readonly #limits: PictureLimits;
  #thread: Thread | undefined;
  readonly #line: Order[] = [];
  readonly #started = new Map<number, Order>();
  #ids = 0;
  #isClosed = false;

  constructor(workers: Workers, limits: PictureLimits) {
    this.#workers = workers;
    this.#limits = limits;
  }

  /** The pixels of one row of the model's input. Throws IMAGE_UNREADABLE, SERVER_BUSY, REQUEST_CANCELLED, WORKER_LOST. */
  async row(
    bytes: Uint8Array,
    preprocess: Preprocess,
    leaving: Leaving | undefined,
  ): Promise<Uint8Array> {
    if (this.#line.length >= this.#limits.maxWaiting) {
      throw new ToolkitError(
        'SERVER_BUSY',
        `Exceeds maximum queue size: ${this.#limits.maxWaiting} pictures are waiting`,
        { hint: 'Send it again a little later.' },
      );
    }
    return new Promise((resolve, reject) => {
      this.#line.push({ bytes, preprocess, leaving, resolve, reject });
      this.#next();
    });
  }

  /**
   * Decodes tiny pictures everywhere where this model's will be, so that the first one does not wait for libraries to be
   * loaded (0.2 s). What fails here fails for the request as well, which says why.
   */
  async warm(preprocess: Preprocess): Promise<void> {
    await Promise.allSettled(
      tinyPictures.map(async (picture) => this.row(picture, preprocess, undefined)),
    );
  }

  /** Ends the worker. */
  close(): void {
    this.#isClosed = true;
    if (this.#thread) this.#workers.give(this.#thread);
    this.#thread = undefined;
  }

  #next(): void {
    while (this.#started.size < atOnce) {
      const order = this.#line.shift();
      if (!order) return;
      if (order.leaving?.hasLeft === true) {
        order.reject(cancelled());
        continue;
      }
      this.#ids += 1;
      const id = this.#ids;
      this.#started.set(id, order);
      const { preprocess } = order;
      const { maxPixels } = this.#limits;
      const picture = unbased(order.bytes);
      if (!this.#workers.isProcess && isQuick(picture, preprocess)) {
        void this.#decodeHere(id, picture, order);
        continue;
      }
      // A copy of its own can change hands; the request's bytes may share their buffer with others.
      const bytes = new Uint8Array(picture);
      this.#worker().post({ kind: 'picture', id, bytes, preprocess, maxPixels }, [bytes.buffer]);
    }
  }

  async #decodeHere(id: number, picture: Uint8Array, order: Order): Promise<void> {
    try {
      order.resolve(await pictureRow(picture, order.preprocess, this.#limits.maxPixels));
    } catch (fault) {
      order.reject(fault);
    }
    this.#started.delete(id);
    this.#next();
  }

  #worker(): Thread {
    this.#thread ??= this.#workers.take({
      onMessage: (message) => this.#receive(message),
      onLost: (reason) => this.#lost(reason),
    });
    return this.#thread;
  }

  #receive(message: FromWorker): void {
    if (message.kind !== 'pixels' && message.kind !== 'fault') return;
    const order = this.#started.get(message.id ?? -1);
    this.#started.delete(message.id ?? -1);
    if (message.kind === 'pixels') order?.resolve(message.data);
    else order?.reject(faultOf(message));
    this.#next();
  }

  #lost(reason: string): void {
    this.#thread = undefined;
    const fault = new ToolkitError(
      'WORKER_LOST',
      `The worker that decoded pictures was lost: ${reason}`,
      {
        hint: 'Another one is started; send the request once more.',
      },
    );
    for (const order of this.#started.values()) order.reject(fault);
    this.#started.clear();
    if (!this.#isClosed) this.#next();
  }
}

/** How base64 of JPEG, PNG, GIF, WebP, BMP and TIFF begins; no picture begins so itself. */
const based = /^(?:\/9j\/|_9j_|iVBOR|R0lG|UklGR|Qk[0-3]|SUkq|TU0A)/;
const dataUrl = /^data:image\/[\w.+-]+;base64,/;

/** JSON has no bytes: a picture in it is base64, plain or as a data URL. */
function unbased(bytes: Uint8Array): Uint8Array {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 64)).toString(
    'latin1',
  );
  const prefix = dataUrl.exec(head)?.[0].length ?? 0;
  if (prefix === 0 && !based.test(head)) return bytes;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + prefix, bytes.byteLength - prefix);
  return Buffer.from(text.toString('latin1'), 'base64');
}
