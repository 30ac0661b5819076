import { mkdir, rename, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { checkedPath, nearNames, ToolkitError } from '../errors.ts';
import { outputFault } from '../output.ts';
import { packagedPath } from '../package.ts';
import { download, type Transfer } from './download.ts';
import { discard, forgetOrigin, lock, partialBytes } from './partial.ts';
import { type Source, type SourceTable, sources } from './sources.ts';
import { type Verdict, verify } from './verify.ts';

/** How a file is pulled. */
export interface PullOptions {
  /** Cache folder; by default `graft/models` in $XDG_CACHE_HOME, or in ~/.cache. */
  readonly dir?: string | undefined;
  /** Keras' own cache, which is only read; by default `models` in $KERAS_HOME, or in ~/.keras. `false`: not looked at. */
  readonly kerasDir?: string | false | undefined;
  /** Address of a folder that has the files under their own names; then the only one that is asked. */
  readonly mirror?: string | undefined;
  /** Download even what is there already. */
  readonly force?: boolean | undefined;
  readonly sources?: SourceTable | undefined;
  readonly onProgress?: ((progress: PullProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Attempts at each address, 5 by default. */
  readonly attempts?: number | undefined;
  /** Wait before the second attempt, 1,000 ms by default; it doubles each time. */
  readonly waitMs?: number | undefined;
  /** An attempt is given up when nothing arrives for so long; 60,000 ms by default. */
  readonly idleMs?: number | undefined;
}

interface PullProgress {
  readonly file: string;
  readonly address: string;
  readonly bytes: number;
  /** Unknown where the server does not say it. */
  readonly total: number | undefined;
}

/** A file that is here, and how that is known. */
export interface PullResult extends Verdict {
  readonly name: string;
  readonly title: string;
  readonly path: string;
  /** Where it was found: in the package itself, in our cache, in Keras' own (used where it lies, nothing is copied), or on the network. */
  readonly from: 'package' | 'cache' | 'Keras cache' | 'network';
  /** The address that gave it, when it came from the network. */
  readonly address: string | undefined;
}

/**
 * Gives the path of a known file, downloading it if it is not there yet; the notebook's `get_file`.
 *
 * What is there is verified again each time (a second or so for 553 MB). A download is written to `<file>.part`,
 * goes on where an earlier one stopped, is verified, and only then gets its name. A file in our cache that fails the
 * check is replaced; one in Keras' cache is left alone. Memory: one network chunk.
 *
 * Throws DOWNLOAD_UNKNOWN, DOWNLOAD_FAILED, DOWNLOAD_CHECKSUM, OUTPUT_UNWRITABLE, OPTION_INVALID.
 */
export async function pull(name: string, options: PullOptions = {}): Promise<PullResult> {
  const source = sourceNamed(
    checkedPath(name, 'The name of a download'),
    options.sources ?? sources,
  );
  const dir = resolve(options.dir ?? cacheFolder());
  const addresses = addressesOf(source, options.mirror);
  const known = { name, title: source.title };
  const found = options.force === true ? undefined : await findCached(source, dir, options);
  if (found) return { ...known, ...found, address: undefined };
  const path = join(dir, source.file);
  await writable(dir, () => mkdir(dir, { recursive: true }));
  const part = `${path}.part`;
  const release = await writable(dir, () => lock(part));
  try {
    const address = await fromNetwork(source, addresses, part, options);
    const verdict = await verifyArrived(part, source, address);
    await writable(path, () => rename(part, path));
    await forgetOrigin(part);
    return { ...known, ...verdict, path, from: 'network', address };
  } finally {
    await release();
  }
}

/** The folder of our downloads: `graft/models` in $XDG_CACHE_HOME, or in ~/.cache. */
function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'graft', 'models');
}

function kerasFolder(): string {
  return join(process.env['KERAS_HOME'] || join(homedir(), '.keras'), 'models');
}

function sourceNamed(name: string, table: SourceTable): Source {
  const source = Object.hasOwn(table, name) ? table[name] : undefined;
  if (source) return source;
  const known = Object.keys(table);
  const near = nearNames(name, known);
  const meant = near.length === 0 ? '' : `Did you mean ${near.join(' or ')}? `;
  throw new ToolkitError('DOWNLOAD_UNKNOWN', `There is no download named "${name}"`, {
    hint: `${meant}Choose one of: ${known.join(', ')}.`,
  });
}

function addressesOf(source: Source, mirror: string | undefined): readonly string[] {
  if (mirror === undefined) return source.addresses;
  if (!URL.canParse(mirror) || !/^https?:$/.test(new URL(mirror).protocol)) {
    throw new ToolkitError('OPTION_INVALID', `The mirror must be an address, not "${mirror}"`, {
      hint: 'Give the address of a folder, such as https://files.example.org/models/.',
    });
  }
  return [`${mirror.replace(/\/+$/, '')}/${source.file}`];
}

type Found = Verdict & Pick<PullResult, 'path' | 'from'>;

async function findCached(
  source: Source,
  dir: string,
  { kerasDir = kerasFolder() }: PullOptions,
): Promise<Found | undefined> {
  const ours = await foundAt(join(dir, source.file), source, 'cache');
  if (ours) return ours;
  const packaged = packagedPath('models', source.file);
  const own = packaged === undefined ? undefined : await foundAt(packaged, source, 'package');
  if (own || kerasDir === false) return own;
  return foundAt(join(kerasDir, source.file), source, 'Keras cache');
}

async function foundAt(
  path: string,
  source: Source,
  from: Found['from'],
): Promise<Found | undefined> {
  if (!(await stat(path).catch(() => undefined))?.isFile()) return undefined;
  const verdict = await verify(path, source);
  return 'wrong' in verdict ? undefined : { ...verdict, path, from };
}

async function fromNetwork(
  source: Source,
  addresses: readonly string[],
  part: string,
  options: PullOptions,
): Promise<string> {
  const refusals: string[] = [];
  for (const address of addresses) {
    const reason = await download(address, transferOf(address, { source, part }, options));
    if (reason === undefined) return address;
    refusals.push(`${address}: ${reason}`);
  }
  throw await allFailed(source, part, refusals);
}

function transferOf(
  address: string,
  { source, part }: Pick<Transfer, 'source' | 'part'>,
  { attempts = 5, waitMs = 1000, idleMs = 60_000, signal, onProgress }: PullOptions,
): Transfer {
  return {
    source,
    part,
    attempts,
    waitMs,
    idleMs,
    signal,
    onBytes: (bytes, total) => onProgress?.({ file: source.file, address, bytes, total }),
  };
}

async function allFailed(
  source: Source,
  part: string,
  refusals: readonly string[],
): Promise<ToolkitError> {
  const kept = await partialBytes(part);
  const goOn =
    kept > 0 ? `${kept} bytes are kept: a second call goes on from there. ` : 'Try again later. ';
  return new ToolkitError(
    'DOWNLOAD_FAILED',
    `No address gave "${source.file}"\n  ${refusals.join('\n  ')}`,
    {
      where: { file: kept > 0 ? part : part.replace(/\.part$/, '') },
      hint: `${goOn}Or name a mirror that has it, or put the file into the same folder by hand as "${source.file}".`,
    },
  );
}

async function verifyArrived(part: string, source: Source, address: string): Promise<Verdict> {
  const verdict = await verify(part, source);
  if (!('wrong' in verdict)) return verdict;
  await discard(part);
  throw new ToolkitError('DOWNLOAD_CHECKSUM', verdict.wrong, {
    where: { file: address },
    hint: 'What arrived was removed. Try again; if it comes again, the address serves another file: name a mirror.',
  });
}

async function writable<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw outputFault(error, path);
  }
}
