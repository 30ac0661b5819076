import type { Pixels } from './pixels.ts';

/** A fault of the file; the caller adds where. */
export class BmpFault extends Error {}

interface BmpHeader {
  readonly start: number;
  readonly width: number;
  readonly height: number;
  readonly isTopDown: boolean;
  readonly bits: number;
  readonly palette: Uint8Array;
  /** Bytes from one palette entry to the next. */
  readonly entry: number;
}

/**
 * Decodes an uncompressed Windows bitmap of 1, 4, 8, 24 or 32 bits a pixel; alpha is ignored.
 *
 * Throws BmpFault for anything else, and for files cut short. Source: BITMAPINFOHEADER, MSDN.
 */
export function decodeBmp(bytes: Uint8Array, maxPixels: number): Pixels {
  const header = readHeader(bytes, maxPixels);
  const { width, height, bits } = header;
  const stride = Math.ceil((width * bits) / 32) * 4;
  if (header.start + stride * height > bytes.length) {
    throw new BmpFault(`it is cut short: ${height} rows of ${stride} bytes do not fit the file`);
  }
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const row = header.start + stride * (header.isTopDown ? y : height - 1 - y);
    const line = bytes.subarray(row, row + stride);
    const out = data.subarray(y * width * 3, (y + 1) * width * 3);
    if (bits >= 24) copyColours(line, out, bits / 8);
    else copyIndexed(line, out, header);
  }
  return { width, height, channels: 3, data };
}

function readHeader(bytes: Uint8Array, maxPixels: number): BmpHeader {
  if (bytes.length < 58) throw new BmpFault('it is cut short within its header');
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = view.readUInt32LE(10);
  const size = view.readUInt32LE(14);
  const isOs2 = size === 12;
  const width = isOs2 ? view.readUInt16LE(18) : view.readInt32LE(18);
  const signedHeight = isOs2 ? view.readUInt16LE(20) : view.readInt32LE(22);
  const bits = view.readUInt16LE(isOs2 ? 24 : 28);
  const height = Math.abs(signedHeight);
  if (!isOs2) checkCompression(view, bits);
  if (![1, 4, 8, 24, 32].includes(bits)) {
    throw new BmpFault(`it has ${bits} bits a pixel, 1, 4, 8, 24 or 32 are read; save it as PNG`);
  }
  if (width < 1 || height < 1) throw new BmpFault(`its size is ${width} by ${signedHeight}`);
  if (width * height > maxPixels) {
    throw new BmpFault(`it has ${width * height} pixels, the limit is ${maxPixels}`);
  }
  const palette = bytes.subarray(14 + size, start);
  const isTopDown = signedHeight < 0;
  return { start, width, height, isTopDown, bits, palette, entry: isOs2 ? 3 : 4 };
}

function checkCompression(view: Buffer, bits: number): void {
  const method = view.readUInt32LE(30);
  // BI_BITFIELDS with the masks that uncompressed pixels have anyway.
  const isPlain = method === 3 && bits === 32 && view.readUInt32LE(54) === 0xff0000;
  if (method === 0 || isPlain) return;
  throw new BmpFault(`it is a compressed bitmap (method ${method}); save it as PNG`);
}

/** Blue, green, red (and a byte that is not used) to red, green, blue. */
function copyColours(line: Uint8Array, out: Uint8Array, step: number): void {
  for (let from = 0, to = 0; to < out.length; from += step, to += 3) {
    out[to] = line[from + 2] ?? 0;
    out[to + 1] = line[from + 1] ?? 0;
    out[to + 2] = line[from] ?? 0;
  }
}

function copyIndexed(line: Uint8Array, out: Uint8Array, header: BmpHeader): void {
  const { bits, palette, entry, width } = header;
  const perByte = 8 / bits;
  const mask = 2 ** bits - 1;
  for (let x = 0; x < width; x++) {
    const byte = line[Math.floor(x / perByte)] ?? 0;
    const index = (byte >> ((perByte - 1 - (x % perByte)) * bits)) & mask;
    for (let c = 0; c < 3; c++) out[x * 3 + c] = palette[index * entry + 2 - c] ?? 0;
  }
}
