import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { KoffiFunc } from 'koffi';
import { nearestOfPlanes, planesBytes } from './jpeg-nearest.ts';
import type { Pixels } from './pixels.ts';
import { type Interpolation, resize } from './resize.ts';

/** Of turbojpeg.h: TJPF_RGB, TJSAMP_420, TJCS_YCbCr and TJCS_GRAY, TJFLAG_STOPONWARNING. */
const rgb = 0;
const sampling420 = 2;
const plainColors = new Set([1, 2]);
const stopOnWarning = 8192;
/** TJFLAG_LIMITSCANS, 500 scans: a small progressive file can ask for any number of them, each over the whole picture. */
const limitScans = 32768;

/** Pictures within both are decoded at once: 32 by 32 takes 0.01 ms, and the way to another thread and back 0.03 ms. */
const quickPixels = 128 * 128;
const quickBytes = 16 * 1024;

type Found = readonly [
  width: Int32Array,
  height: Int32Array,
  sampling: Int32Array,
  color: Int32Array,
];
type Target = readonly [
  out: Uint8Array,
  width: number,
  pitch: number,
  height: number,
  format: number,
  flags: number,
];

type Planar = readonly [
  out: Uint8Array,
  width: number,
  /** Bytes of a line are a multiple of it. */
  align: number,
  height: number,
  flags: number,
];

/** What decodes, of TurboJPEG's functions. A handle is `null` where memory ran out; a status of 0 is success. */
interface TurboJpeg {
  readonly open: () => unknown;
  readonly close: (handle: unknown) => number;
  readonly header: (handle: unknown, jpeg: Uint8Array, bytes: number, ...found: Found) => number;
  readonly toRgb: Decompress<Target>;
  readonly toPlanes: Decompress<Planar>;
}

type Decompress<To extends readonly unknown[]> = KoffiFunc<
  (handle: unknown, jpeg: Uint8Array, bytes: number, ...to: To) => number
>;

/** A plain JPEG, open. */
interface Opened {
  readonly turbo: TurboJpeg;
  readonly handle: unknown;
  readonly jpeg: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** Whether its colours have half the columns and half the rows. */
  readonly is420: boolean;
}

/**
 * RGB of a plain JPEG, by libjpeg-turbo itself with its defaults, which are Pillow's: the values are the same.
 *
 * `undefined` for all that is not plain, which sharp then decodes or refuses: other colours than YCbCr and grey, more
 * than `maxPixels` in the header, anything that libjpeg warns of; and wherever the library is not installed. Decoding
 * is one job of the thread pool, except of small pictures. The bytes must stay as they are until it is over.
 */
export async function decodePlainJpeg(
  jpeg: Uint8Array,
  maxPixels: number,
): Promise<Pixels | undefined> {
  return opened(jpeg, maxPixels, async (picture) => {
    const { width, height } = picture;
    // Not zeroed: that takes as long as a tenth of the decoding, which writes all of it.
    const data = Buffer.allocUnsafeSlow(width * height * 3);
    return (await isRgb(picture, data)) ? { width, height, channels: 3, data } : undefined;
  });
}

/**
 * The same, brought to another size, in memory that the next picture takes again: 0.28 ms of CPU for 500 × 375 to
 * 32 × 32 by `nearest`, which needs few of the pixels, where memory of its own and all of its pixels take 0.49.
 */
export async function resizedPlainJpeg(
  jpeg: Uint8Array,
  maxPixels: number,
  { size, resize: interpolation }: Resizing,
): Promise<Pixels | undefined> {
  return opened(jpeg, maxPixels, async (picture) => {
    const { width, height } = picture;
    const isSparse = interpolation === 'nearest' && width * height > sparseness * size[0] * size[1];
    // libjpeg does not smooth the colours of a picture of four columns.
    if (isSparse && picture.is420 && width > 4) {
      return withMemory(planesBytes(width, height), async (data) =>
        (await isPlanes(picture, data))
          ? nearestOfPlanes({ width, height, data }, size)
          : undefined,
      );
    }
    return withMemory(width * height * 3, async (data) => {
      if (!(await isRgb(picture, data))) return undefined;
      const pixels = resize({ width, height, channels: 3, data }, size, interpolation);
      return pixels.data === data ? { ...pixels, data: new Uint8Array(data) } : pixels;
    });
  });
}

/** How a picture is brought to a size. */
export interface Resizing {
  readonly size: readonly [height: number, width: number];
  readonly resize: Interpolation;
}

/** A pixel is picked out of planes in 16 ns, and made with all others in 0.7. */
const sparseness = 24;

async function opened<T>(
  jpeg: Uint8Array,
  maxPixels: number,
  decode: (picture: Opened) => Promise<T | undefined>,
): Promise<T | undefined> {
  loaded ??= loadTurboJpeg();
  const turbo = await loaded;
  const handle = turbo?.open();
  if (!turbo || !handle) return undefined;
  try {
    const picture = openedPlain(turbo, handle, jpeg);
    if (!picture || picture.width * picture.height > maxPixels) return undefined;
    return await decode(picture);
  } finally {
    turbo.close(handle);
  }
}

/** As the library reads the header, so that no other reading of it decides about memory. */
function openedPlain(turbo: TurboJpeg, handle: unknown, jpeg: Uint8Array): Opened | undefined {
  const found: Found = [new Int32Array(1), new Int32Array(1), new Int32Array(1), new Int32Array(1)];
  if (turbo.header(handle, jpeg, jpeg.length, ...found) !== 0) return undefined;
  const [width = 0, height = 0, sampling, color = -1] = found.map(([value]) => value);
  if (!plainColors.has(color)) return undefined;
  return { turbo, handle, jpeg, width, height, is420: sampling === sampling420 };
}

const flags = stopOnWarning | limitScans;

async function isRgb(picture: Opened, data: Uint8Array): Promise<boolean> {
  const { width, height } = picture;
  return isDone(picture, picture.turbo.toRgb, [data, width, width * 3, height, rgb, flags]);
}

async function isPlanes(picture: Opened, data: Uint8Array): Promise<boolean> {
  const { width, height } = picture;
  return isDone(picture, picture.turbo.toPlanes, [data, width, 1, height, flags]);
}

async function isDone<To extends readonly unknown[]>(
  { handle, jpeg, width, height }: Opened,
  decompress: Decompress<To>,
  to: To,
): Promise<boolean> {
  if (width * height <= quickPixels && jpeg.length <= quickBytes) {
    return decompress(handle, jpeg, jpeg.length, ...to) === 0;
  }
  return new Promise((resolve, reject) => {
    decompress.async(handle, jpeg, jpeg.length, ...to, (fault, status) => {
      if (fault instanceof Error) reject(fault);
      else resolve(status === 0);
    });
  });
}

/** Kept for the next pictures, four of which are decoded at a time. New memory for each is mapped, and collected. */
const idleMemory: Uint8Array[] = [];
const [mostIdle, mostIdleBytes] = [4, 4 * 1024 * 1024];

/** Memory of at least so many bytes, with anything in it, until `use` is done. */
async function withMemory<T>(bytes: number, use: (memory: Uint8Array) => Promise<T>): Promise<T> {
  const idle = idleMemory.pop();
  const memory = idle && idle.length >= bytes ? idle : Buffer.allocUnsafeSlow(bytes);
  try {
    return await use(memory.subarray(0, bytes));
  } finally {
    if (memory.length <= mostIdleBytes && idleMemory.length < mostIdle) idleMemory.push(memory);
  }
}

let loaded: Promise<TurboJpeg | undefined> | undefined;

/** Both packages are optional, and the library lies in the second one for Linux only. */
async function loadTurboJpeg(): Promise<TurboJpeg | undefined> {
  if (process.platform !== 'linux') return undefined;
  const resolve = createRequire(import.meta.url).resolve;
  for (const libc of ['', '-musl']) {
    try {
      const home = dirname(resolve('@julusian/jpeg-turbo/package.json'));
      const folder = `jpeg-turbo-linux-${process.arch}${libc}`;
      const { load } = await import('koffi');
      const library = load(join(home, 'prebuilds', folder, 'libturbojpeg.so.0'));
      return turboJpegOf((declaration) => library.func(declaration));
    } catch {
      // Not installed, or made for another C library: whoever asked has sharp.
    }
  }
  return undefined;
}

function turboJpegOf(declare: (declaration: string) => unknown): TurboJpeg {
  const functions = {
    open: declare('void *tjInitDecompress()'),
    close: declare('int tjDestroy(void *handle)'),
    header: declare(
      'int tjDecompressHeader3(void *handle, const uint8_t *jpeg, unsigned long bytes, int *width, int *height, int *sampling, int *color)',
    ),
    toRgb: declare(
      'int tjDecompress2(void *handle, const uint8_t *jpeg, unsigned long bytes, uint8_t *out, int width, int pitch, int height, int format, int flags)',
    ),
    toPlanes: declare(
      'int tjDecompressToYUV2(void *handle, const uint8_t *jpeg, unsigned long bytes, uint8_t *out, int width, int align, int height, int flags)',
    ),
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the declarations above say the same in C
  return functions as TurboJpeg;
}
