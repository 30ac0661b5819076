import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { KoffiFunc } from 'koffi';
import type { Pixels } from './pixels.ts';

/** Of turbojpeg.h: TJPF_RGB, TJCS_YCbCr and TJCS_GRAY, TJFLAG_STOPONWARNING. */
const rgb = 0;
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

/** What decodes, of TurboJPEG's functions. A handle is `null` where memory ran out; a status of 0 is success. */
interface TurboJpeg {
  readonly open: () => unknown;
  readonly close: (handle: unknown) => number;
  readonly header: (handle: unknown, jpeg: Uint8Array, bytes: number, ...found: Found) => number;
  readonly decompress: KoffiFunc<
    (handle: unknown, jpeg: Uint8Array, bytes: number, ...target: Target) => number
  >;
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
  loaded ??= loadTurboJpeg();
  const turbo = await loaded;
  const handle = turbo?.open();
  if (!turbo || !handle) return undefined;
  try {
    const size = plainSize(turbo, handle, jpeg);
    if (!size || size.width * size.height > maxPixels) return undefined;
    const data = new Uint8Array(size.width * size.height * 3);
    const status = await decompress(turbo, handle, { jpeg, data, ...size });
    return status === 0 ? { ...size, channels: 3, data } : undefined;
  } finally {
    turbo.close(handle);
  }
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** As the library reads the header, so that no other reading of it decides about memory. */
function plainSize(turbo: TurboJpeg, handle: unknown, jpeg: Uint8Array): Size | undefined {
  const found: Found = [new Int32Array(1), new Int32Array(1), new Int32Array(1), new Int32Array(1)];
  if (turbo.header(handle, jpeg, jpeg.length, ...found) !== 0) return undefined;
  const [width = 0, height = 0, , color = -1] = found.map(([value]) => value);
  return plainColors.has(color) ? { width, height } : undefined;
}

function decompress(
  turbo: TurboJpeg,
  handle: unknown,
  job: Size & { readonly jpeg: Uint8Array; readonly data: Uint8Array },
): Promise<number> | number {
  const { jpeg, data, width, height } = job;
  const flags = stopOnWarning | limitScans;
  const target: Target = [data, width, width * 3, height, rgb, flags];
  if (width * height <= quickPixels && jpeg.length <= quickBytes) {
    return turbo.decompress(handle, jpeg, jpeg.length, ...target);
  }
  return new Promise((resolve, reject) => {
    turbo.decompress.async(handle, jpeg, jpeg.length, ...target, (fault, status) => {
      if (fault instanceof Error) reject(fault);
      else resolve(status);
    });
  });
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
    decompress: declare(
      'int tjDecompress2(void *handle, const uint8_t *jpeg, unsigned long bytes, uint8_t *out, int width, int pitch, int height, int format, int flags)',
    ),
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the declarations above say the same in C
  return functions as TurboJpeg;
}
