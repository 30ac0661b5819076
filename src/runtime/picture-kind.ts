/** The picture formats that are read; each is recognised by its first bytes, never by its name. */
type PictureFormat = 'png' | 'jpeg' | 'gif' | 'webp' | 'tiff' | 'bmp';

/** What must be known of a picture before it is decoded. */
export interface PictureKind {
  readonly format: PictureFormat;
  /** How its numbers are stored; `unknown` where only the decoder can tell (TIFF). */
  readonly samples: 'bytes' | 'words' | 'cmyk' | 'unknown';
}

/** `length` bytes of the file from `offset` on; fewer at its end. */
export type ReadAt = (offset: number, length: number) => Uint8Array;

/** In hexadecimal. */
const signatures: readonly (readonly [PictureFormat, RegExp])[] = [
  ['png', /^89504e470d0a1a0a/],
  ['jpeg', /^ffd8ff/],
  ['gif', /^474946383[79]/],
  ['webp', /^52494646.{8}57454250/],
  ['tiff', /^(?:49492a00|4d4d002a|49492b00|4d4d002b)/],
  ['bmp', /^424d/],
];

/** The format and the kind of numbers, from the first bytes; `undefined` for anything that is not one of the formats. */
export function pictureKind(readAt: ReadAt): PictureKind | undefined {
  const head = readAt(0, 32);
  const hex = Buffer.from(head).toString('hex');
  const format = signatures.find(([, start]) => start.test(hex))?.[0];
  if (format === undefined) return undefined;
  if (format === 'png') return { format, samples: head[24] === 16 ? 'words' : 'bytes' };
  if (format === 'jpeg') return { format, samples: jpegChannels(readAt) === 4 ? 'cmyk' : 'bytes' };
  return { format, samples: format === 'tiff' ? 'unknown' : 'bytes' };
}

/** Number of colour channels, from the frame header (ITU-T T.81, B.2.2); 3 when there is none to be found. */
function jpegChannels(readAt: ReadAt): number {
  let at = 2;
  // A picture has a few dozen segments; a file made to have millions is not worth reading them one by one.
  for (let segments = 0; segments < 10_000; segments++) {
    const segment = Buffer.from(readAt(at, 10));
    if (segment.length < 10 || segment.readUInt8(0) !== 0xff) return 3;
    const marker = segment.readUInt8(1);
    if (marker === 0xda) return 3;
    if (isFrame(marker)) return segment.readUInt8(9);
    // A marker may be preceded by any number of fill bytes.
    at += marker === 0xff ? 1 : 2 + segment.readUInt16BE(2);
  }
  return 3;
}

function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
}
