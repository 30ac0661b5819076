import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type * as SharpModule from 'sharp';
import { ToolkitError } from '../errors.ts';
import { BmpFault, decodeBmp } from './bmp.ts';
import { withoutTransparency } from './gif.ts';
import { decodePlainJpeg, type Resizing, resizedPlainJpeg } from './jpeg.ts';
import { type PictureKind, pictureKind, type ReadAt } from './picture-kind.ts';
import { bytesOfFloats, bytesOfWords, greyOf, type Pixels, rgbOf, rgbOfCmyk } from './pixels.ts';
import { resize } from './resize.ts';

/** A file, or its bytes. */
export type ImageSource = string | Uint8Array;

/** How a picture is read. */
export interface ImageOptions {
  /** Default `rgb`. */
  readonly color?: 'rgb' | 'gray' | undefined;
  /** Larger pictures are refused before they are decoded. Default 268,402,689, which is 16,383 by 16,383. */
  readonly maxPixels?: number | undefined;
}

const defaultMaxPixels = 16383 * 16383;

/**
 * Decodes a picture to bytes as Keras' `load_img` does through Pillow.
 *
 * The orientation tag and colour profiles are ignored, alpha is dropped, moving pictures show their first frame, CMYK
 * is turned plainly, 16-bit grey is clipped to 255. The decoding is one job of the thread pool, begun before this
 * returns, so that it goes on while a model runs (GIF, BMP, TIFF and 16-bit PNG take several jobs). Throws FILE_MISSING, IMAGE_UNREADABLE.
 */
export async function readImage(source: ImageSource, options: ImageOptions = {}): Promise<Pixels> {
  return read(source, options, decodePlainJpeg);
}

/**
 * `readImage` and `resize` at less cost than both: what is decoded in between is not kept.
 *
 * Throws as `readImage` does.
 */
export async function readResized(
  source: ImageSource,
  options: ImageOptions & Resizing,
): Promise<Pixels> {
  // Grey is made of colours before they are resized.
  const ofJpeg: JpegDecoder =
    options.color === 'gray'
      ? decodePlainJpeg
      : async (jpeg, maxPixels) => resizedPlainJpeg(jpeg, maxPixels, options);
  return resize(await read(source, options, ofJpeg), options.size, options.resize);
}

type JpegDecoder = (jpeg: Uint8Array, maxPixels: number) => Promise<Pixels | undefined>;

async function read(
  source: ImageSource,
  options: ImageOptions,
  ofJpeg: JpegDecoder,
): Promise<Pixels> {
  const maxPixels = options.maxPixels ?? defaultMaxPixels;
  try {
    const kind = kindOf(source);
    const pixels = await decode(source, kind, { maxPixels, ofJpeg });
    return options.color === 'gray' ? greyOf(pixels) : pixels;
  } catch (fault) {
    throw imageFault(fault, source, maxPixels);
  }
}

async function decode(
  source: ImageSource,
  kind: PictureKind,
  { maxPixels, ofJpeg }: { readonly maxPixels: number; readonly ofJpeg: JpegDecoder },
): Promise<Pixels> {
  if (kind.format === 'bmp') return decodeBmp(await bytesOf(source), maxPixels);
  if (kind.format === 'jpeg') {
    const jpeg = smallBytesOf(source);
    const pixels = jpeg && (await ofJpeg(jpeg, maxPixels));
    if (pixels) return pixels;
  }
  const input = kind.format === 'gif' ? withoutTransparency(await bytesOf(source)) : source;
  const sharp = await loadSharp();
  const picture = sharp(input, {
    failOn: 'error',
    ignoreIcc: true,
    autoOrient: false,
    limitInputPixels: maxPixels,
  });
  const samples = kind.samples === 'unknown' ? await samplesOf(picture) : kind.samples;
  return decoders[samples](picture);
}

type Samples = Exclude<PictureKind['samples'], 'unknown'> | 'floats';

/** One row a kind of stored number: how sharp is asked for it unchanged, and how it becomes RGB bytes. */
const decoders: { readonly [S in Samples]: (picture: SharpModule.Sharp) => Promise<Pixels> } = {
  async bytes(picture) {
    const { data, info } = await picture.raw().toBuffer({ resolveWithObject: true });
    return rgbPixels(info, rgbOf(data, info.channels));
  },
  async cmyk(picture) {
    const plain = picture.pipelineColourspace('cmyk').toColourspace('cmyk');
    const { data, info } = await plain.raw().toBuffer({ resolveWithObject: true });
    return rgbPixels(info, rgbOfCmyk(data, info.channels));
  },
  async words(picture) {
    const { space } = await picture.metadata();
    const plain = picture.toColourspace(space === 'rgb16' ? 'rgb16' : 'grey16');
    const { data, info } = await plain
      .raw({ depth: 'ushort' })
      .toBuffer({ resolveWithObject: true });
    const words = new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2);
    return rgbPixels(info, rgbOf(bytesOfWords(words, info.channels), info.channels));
  },
  async floats(picture) {
    const { data, info } = await picture
      .raw({ depth: 'float' })
      .toBuffer({ resolveWithObject: true });
    const floats = new Float32Array(data.buffer, data.byteOffset, data.byteLength / 4);
    return rgbPixels(info, rgbOf(bytesOfFloats(floats), info.channels));
  },
};

async function samplesOf(picture: SharpModule.Sharp): Promise<Samples> {
  const { space, depth } = await picture.metadata();
  if (space === 'cmyk') return 'cmyk';
  if (depth === 'ushort') return 'words';
  return depth === 'uchar' ? 'bytes' : 'floats';
}

function rgbPixels(
  { width, height }: { readonly width: number; readonly height: number },
  data: Uint8Array,
): Pixels {
  return { width, height, channels: 3, data };
}

/**
 * A PNG of pixels with a drawing over them.
 *
 * `drawing` is an SVG document of the same size; text in it needs fonts of the system.
 */
export async function encodePng(pixels: Pixels, drawing?: string): Promise<Uint8Array> {
  const sharp = await loadSharp();
  const { width, height, channels, data } = pixels;
  const picture = sharp(data, { raw: { width, height, channels } });
  const overlay = drawing === undefined ? [] : [{ input: Buffer.from(drawing) }];
  return picture.composite(overlay).png().toBuffer();
}

type Library = typeof SharpModule.default;

let loaded: Library | undefined;

/** Loads sharp when a picture is first needed: it brings a native library. */
async function loadSharp(): Promise<Library> {
  if (loaded) return loaded;
  try {
    loaded = (await import('sharp')).default;
    return loaded;
  } catch (cause) {
    throw new ToolkitError(
      'RUNTIME_MISSING',
      `Pictures are read by sharp, which could not be loaded: ${reasonOf(cause)}`,
      { hint: 'Install it again on this machine: npm install sharp.', cause },
    );
  }
}

async function bytesOf(source: ImageSource): Promise<Uint8Array> {
  return typeof source === 'string' ? readFile(source) : source;
}

/** Larger files are no photos, and too much to read before anything is known of them. */
const smallBytes = 64 * 1024 * 1024;

/** A file is read without waiting, so that decoding stays one job. */
function smallBytesOf(source: ImageSource): Uint8Array | undefined {
  if (typeof source !== 'string') return source;
  return statSync(source).size <= smallBytes ? readFileSync(source) : undefined;
}

/** Looks at the first bytes without waiting, so that decoding is one job and not three. */
function kindOf(source: ImageSource): PictureKind {
  if (typeof source !== 'string') {
    return knownKind(source.length, (offset, length) => source.subarray(offset, offset + length));
  }
  const file = openSync(source, 'r');
  try {
    const { size } = statSync(source);
    return knownKind(size, (offset, length) => {
      const bytes = new Uint8Array(length);
      return bytes.subarray(0, readSync(file, bytes, 0, length, offset));
    });
  } finally {
    closeSync(file);
  }
}

/** Why a picture is refused, in words for `IMAGE_UNREADABLE`. */
class PictureFault extends Error {}

function knownKind(size: number, readAt: ReadAt): PictureKind {
  if (size === 0) throw new PictureFault('it is empty');
  const kind = pictureKind(readAt);
  if (!kind) throw new PictureFault('it is none of PNG, JPEG, WebP, GIF, TIFF and BMP');
  return kind;
}

function imageFault(fault: unknown, source: ImageSource, maxPixels: number): unknown {
  if (fault instanceof ToolkitError) return fault;
  const where = { file: typeof source === 'string' ? source : undefined };
  if (fault instanceof Error && 'code' in fault && fault.code === 'ENOENT') {
    return new ToolkitError('FILE_MISSING', 'The picture does not exist', {
      where,
      hint: 'See that the name is right.',
      cause: fault,
    });
  }
  const isTooLarge = /pixel limit/.test(reasonOf(fault));
  const isOurs = fault instanceof PictureFault || fault instanceof BmpFault;
  const why = isTooLarge ? `it has more than ${maxPixels} pixels` : damageOf(fault);
  return new ToolkitError('IMAGE_UNREADABLE', `The picture cannot be read: ${why}`, {
    where,
    hint: isTooLarge
      ? 'Make it smaller, or raise maxPixels.'
      : 'Save it again in an image program, or take it out.',
    cause: isOurs ? undefined : fault,
  });
}

/** libvips keeps its message in one place for all threads: another's decoding may have taken it away. */
function damageOf(fault: unknown): string {
  const reason = reasonOf(fault);
  return reason === '' || reason === 'Unknown error' ? 'it is damaged or cut short' : reason;
}

function reasonOf(fault: unknown): string {
  return fault instanceof Error ? fault.message.trim() : String(fault);
}
