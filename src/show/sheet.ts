import { ToolkitError } from '../errors.ts';
import { writeOutput } from '../output.ts';
import type { SkippedFile } from '../runtime/folder.ts';
import { encodePng, readImage } from '../runtime/image.ts';
import type { Pixels } from '../runtime/pixels.ts';
import { resize } from '../runtime/resize.ts';
import { written } from './letters.ts';

/** One picture of a sheet. */
export interface SheetItem {
  readonly file: string;
  /** Under the picture; cut with … where it is too long. */
  readonly title: string;
}

/** How a sheet looks. */
export interface SheetOptions {
  /** Default: as many as make the sheet about square, 8 at most. */
  readonly columns?: number | undefined;
  /** Width and height of a picture in pixels; its proportions are kept. Default 160. */
  readonly cell?: number | undefined;
  /** Told of each picture that cannot be read. */
  readonly onSkip?: ((skipped: SkippedFile) => void) | undefined;
}

const margin = 16;
const titleHeight = 26;
const fontSize = 13;
/** A larger sheet than this takes gigabytes to draw. */
const mostPixels = 100_000_000;
/** As many pictures are decoded at once as Node has threads for. */
const atOnce = 4;

/**
 * A grid of pictures with a title under each, as a PNG.
 *
 * A picture that cannot be read leaves a crossed, grey field. Titles in Latin letters need no fonts; others are drawn
 * with those of the system. Memory: the sheet, and four decoded pictures. Throws DATASET_EMPTY, and OPTION_INVALID for
 * a sheet of more than 100 million pixels.
 */
export async function contactSheet(
  items: readonly SheetItem[],
  options: SheetOptions = {},
): Promise<Uint8Array> {
  if (items.length === 0) {
    throw new ToolkitError('DATASET_EMPTY', 'A sheet needs at least one picture, there is none', {
      hint: 'Give some pictures.',
    });
  }
  const grid = gridOf(items.length, options);
  const sheet = blank(grid);
  const drawings: string[] = [];
  for (let first = 0; first < items.length; first += atOnce) {
    const some = items.slice(first, first + atOnce);
    const thumbnails = await Promise.all(some.map(({ file }) => thumbnail(file, grid.cell)));
    thumbnails.forEach((picture, i) => {
      const place = placeOf(grid, first + i);
      if ('data' in picture) paste(sheet, picture, place, grid.cell);
      else {
        drawings.push(crossed(place, grid.cell));
        options.onSkip?.(picture);
      }
      drawings.push(titleOf(some[i]?.title ?? '', place, grid.cell));
    });
  }
  return encodePng(sheet, svg(sheet, drawings));
}

/** Writes a contact sheet to a file that is there whole or not at all. Throws OUTPUT_EXISTS, OUTPUT_UNWRITABLE. */
export async function writeContactSheet(
  path: string,
  items: readonly SheetItem[],
  options: SheetOptions & { readonly force?: boolean | undefined } = {},
): Promise<void> {
  const png = await contactSheet(items, options);
  await writeOutput(path, { force: options.force }, async (file) => {
    await file.writeFile(png);
  });
}

interface Grid {
  readonly columns: number;
  readonly rows: number;
  readonly cell: number;
}

interface Place {
  readonly left: number;
  readonly top: number;
}

function gridOf(count: number, { columns, cell = 160 }: SheetOptions): Grid {
  const across = columns ?? Math.min(8, Math.ceil(Math.sqrt(count)));
  return { columns: Math.min(across, count), rows: Math.ceil(count / across), cell };
}

function blank({ columns, rows, cell }: Grid): Pixels {
  const width = margin + columns * (cell + margin);
  const height = margin + rows * (cell + titleHeight + margin);
  if (width * height > mostPixels) {
    throw new ToolkitError(
      'OPTION_INVALID',
      `The sheet would have ${width} by ${height} pixels, at most ${mostPixels} can be drawn`,
      { hint: 'Take fewer pictures (--max), or draw them smaller (--cell).' },
    );
  }
  return { width, height, channels: 3, data: new Uint8Array(width * height * 3).fill(255) };
}

function placeOf({ columns, cell }: Grid, index: number): Place {
  return {
    left: margin + (index % columns) * (cell + margin),
    top: margin + Math.floor(index / columns) * (cell + titleHeight + margin),
  };
}

/** The picture as large as fits, small ones enlarged in whole pixels; or why it cannot be read. */
async function thumbnail(file: string, cell: number): Promise<Pixels | SkippedFile> {
  try {
    const pixels = await readImage(file);
    const scale = cell / Math.max(pixels.width, pixels.height);
    const fitting = (length: number): number => Math.max(1, Math.round(length * scale));
    const size = [fitting(pixels.height), fitting(pixels.width)] as const;
    return resize(pixels, size, scale > 2 ? 'nearest' : 'bicubic');
  } catch (fault) {
    if (!(fault instanceof ToolkitError) || fault.code === 'RUNTIME_MISSING') throw fault;
    return { path: file, reason: fault.message.split('\n')[0] ?? fault.message };
  }
}

/** Copies the picture into the middle of its field. */
function paste(sheet: Pixels, picture: Pixels, { left, top }: Place, cell: number): void {
  const x = left + Math.floor((cell - picture.width) / 2);
  const y = top + Math.floor((cell - picture.height) / 2);
  const line = picture.width * 3;
  for (let row = 0; row < picture.height; row++) {
    const from = picture.data.subarray(row * line, (row + 1) * line);
    sheet.data.set(from, ((y + row) * sheet.width + x) * 3);
  }
}

function crossed({ left, top }: Place, cell: number): string {
  const right = left + cell;
  const bottom = top + cell;
  return (
    `<rect x="${left}" y="${top}" width="${cell}" height="${cell}" fill="#eee"/>` +
    `<path d="M${left} ${top}L${right} ${bottom}M${right} ${top}L${left} ${bottom}" stroke="#ccc"/>`
  );
}

function titleOf(title: string, { left, top }: Place, cell: number): string {
  const line = title.replaceAll(/\s+|\p{Cc}/gu, ' ').trim();
  const x = left + cell / 2;
  const y = top + cell + titleHeight - 9;
  const drawn = shortened(line, cell);
  if (drawn) {
    const start = `translate(${x - drawn.width / 2} ${y})`;
    return `<path transform="${start}" d="${drawn.path}" ${stroke}/>`;
  }
  // Letters of other scripts are about as wide as they are high.
  const most = Math.floor(cell / fontSize);
  const letters = Array.from(line);
  const text = letters.length > most ? `${letters.slice(0, most - 1).join('')}…` : line;
  return `<text x="${x}" y="${y}" ${font}>${escaped(text)}</text>`;
}

const stroke =
  'fill="none" stroke="#222" stroke-width="1.25" stroke-linecap="round" stroke-linejoin="round"';
const font = `text-anchor="middle" font-family="sans-serif" font-size="${fontSize}" fill="#222"`;

/** The title in strokes, cut so that it is no wider than the picture. */
function shortened(title: string, width: number): ReturnType<typeof written> {
  const letters = Array.from(title);
  // No letter with its gap is narrower than two pixels.
  const most = Math.ceil(width / 2);
  let line = letters.length > most ? undefined : written(title, fontSize);
  if (line && line.width <= width) return line;
  for (let kept = Math.min(letters.length - 1, most); kept > 0; kept--) {
    line = written(`${letters.slice(0, kept).join('').trimEnd()}…`, fontSize);
    if (!line || line.width <= width) return line;
  }
  return line;
}

function svg({ width, height }: Pixels, drawings: readonly string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${drawings.join('')}</svg>`;
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

function escaped(text: string): string {
  return text.replaceAll(/[&<>]/g, (character) => entities[character] ?? character);
}
