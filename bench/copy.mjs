// Copies a file by Node's streams in pieces of 4 MiB and syncs it, as graft does with what it writes: the yardstick
// of bench/convert.mjs. node bench/copy.mjs <from> <to>
import { createReadStream, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';

const [from, to] = process.argv.slice(2);
const pieces = { highWaterMark: 4 << 20 };
await pipeline(createReadStream(from, pieces), createWriteStream(to, { ...pieces, flush: true }));
