import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { createSecureContext } from 'node:tls';
import { ToolkitError, type Where } from '../errors.ts';
import type { Call, Gate } from './context.ts';

/** Who may call without a key: probes of orchestrators, and the page, which asks its reader for the key. */
const openPaths: readonly RegExp[] = [
  /^\/$/,
  /^\/page\//,
  /^\/openapi\.json$/,
  /^\/v2\/health\/(live|ready)$/,
  /^\/inference\.GRPCInferenceService\/Server(Live|Ready)$/,
  /^\/grpc\.health\.v1\.Health\//,
];

/**
 * Lets calls pass that carry one of the keys, as `Authorization: Bearer KEY` or `X-API-Key: KEY`.
 *
 * Health, the page's files and the OpenAPI document stay open. The comparison takes the same time whatever the key is.
 * Refusals are KEY_REFUSED.
 */
export function apiKeyGate(keys: readonly string[]): Gate {
  const accepted = keys.map(digestOf);
  return (call) => {
    if (openPaths.some((open) => open.test(call.path))) return undefined;
    const key = keyIn(call);
    if (key === undefined) return refused('The call carries no API key');
    const digest = digestOf(key);
    // Not `some`, which would stop at the first match.
    const matches = accepted.filter((known) => timingSafeEqual(known, digest));
    return matches.length > 0 ? undefined : refused('The API key is not one of this server');
  };
}

// Digests have one length, whatever the length of the key, and say nothing of it through time.
function digestOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

function keyIn(call: Call): string | undefined {
  const bearer = /^Bearer +(\S+) *$/i.exec(call.header('authorization') ?? '')?.[1];
  return bearer ?? call.header('x-api-key');
}

function refused(what: string): ToolkitError {
  return new ToolkitError('KEY_REFUSED', what, {
    hint: 'Send the header "Authorization: Bearer KEY" or "X-API-Key: KEY".',
  });
}

/**
 * Refuses what a foreign web page makes its reader's browser send (ORIGIN_REFUSED).
 *
 * CORS alone keeps answers from such a page, but not requests from this server, which may load and unload models.
 * `allowed`: origins such as `https://example.org`, or `*`. Programs other than browsers send no origin.
 */
export function originGate(allowed: readonly string[]): Gate {
  return (call) => {
    const origin = call.header('origin');
    if (origin === undefined || allowed.includes('*') || allowed.includes(origin)) return undefined;
    const host = call.header('host');
    if (host !== undefined && /^https?:\/\/(.+)$/.exec(origin)?.[1] === host) return undefined;
    return new ToolkitError(
      'ORIGIN_REFUSED',
      `Pages of ${origin.slice(0, 200)} may not call here`,
      {
        hint: 'Start the server with --cors and that origin, if they should.',
      },
    );
  };
}

/** What may stand in a Host header: a name or an address, and a port. */
const hostForm = /^(?:\[([^\]]+)\]|([^:]+))(?::\d+)?$/;

/**
 * Refuses calls under a name that is none of this server (HOST_REFUSED).
 *
 * The owner of a name may let it point to this machine: to a browser, its pages and this server are then one origin
 * (DNS rebinding), which no question of origins reveals. Addresses cannot be made to point elsewhere, so they pass, and
 * so does `localhost`. `allowed`: names without ports.
 */
export function hostGate(allowed: readonly string[]): Gate {
  const names = new Set(['localhost', ...allowed.map((name) => name.toLowerCase())]);
  return (call) => {
    const host = call.header('host');
    // Browsers always send it; what is left is HTTP/1.0.
    if (host === undefined) return undefined;
    const [, address, name = ''] = hostForm.exec(host) ?? [];
    const found = name.toLowerCase().replace(/\.$/, '');
    if (isIP(address ?? found) !== 0 || names.has(found)) return undefined;
    return new ToolkitError('HOST_REFUSED', `This server is not "${host.slice(0, 200)}"`, {
      hint: 'Start it with --allowed-hosts and that name, if a proxy or an alias calls it so.',
    });
  };
}

/** Whether an address to listen at is of this machine alone. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** The variable that keys may be in. */
export const keyVariable = 'GRAFT_API_KEYS';

/**
 * The API keys of a file and of the environment, one a line or separated by commas; lines that begin with # are notes.
 *
 * Throws FILE_UNREADABLE, and OPTION_INVALID where one of the two holds no key or one shorter than 8 characters.
 */
export function readApiKeys(from: {
  readonly file?: string | undefined;
  readonly text?: string | undefined;
}): readonly string[] {
  const { file, text } = from;
  return [
    ...(text === undefined ? [] : keysIn(text, { path: `the variable ${keyVariable}` })),
    ...(file === undefined ? [] : keysIn(contentOf(file).toString(), { file })),
  ];
}

function keysIn(text: string, where: Where): readonly string[] {
  const keys = text
    .split(/\r?\n/)
    .filter((line) => !line.startsWith('#'))
    .flatMap((line) => line.split(','))
    .map((key) => key.trim())
    .filter((key) => key !== '');
  if (keys.length === 0) {
    throw new ToolkitError('OPTION_INVALID', 'There is no API key to accept', {
      where,
      hint: 'Write one key a line; without keys, leave the file or the variable out.',
    });
  }
  if (keys.some((key) => key.length < 8)) {
    throw new ToolkitError('OPTION_INVALID', 'An API key has fewer than 8 characters', {
      where,
      hint: 'Take a long random one: openssl rand -hex 24',
    });
  }
  return keys;
}

/** A certificate and its key, as files; `ca` is for clients that must show a certificate of their own. */
export interface TlsPaths {
  readonly key: string;
  readonly cert: string;
  readonly ca?: string | undefined;
}

/** What both doors need for TLS. */
export interface TlsMaterial {
  readonly key: Buffer;
  readonly cert: Buffer;
  readonly ca?: Buffer | undefined;
}

/** Reads them and tries them. Throws FILE_UNREADABLE, and OPTION_INVALID where they are none or do not belong together. */
export function readTls(paths: TlsPaths): TlsMaterial {
  const material: TlsMaterial = {
    key: contentOf(paths.key),
    cert: contentOf(paths.cert),
    ...(paths.ca !== undefined && { ca: contentOf(paths.ca) }),
  };
  try {
    createSecureContext(material);
    return material;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ToolkitError('OPTION_INVALID', `TLS cannot be set up: ${reason}`, {
      where: { file: `${paths.cert}, ${paths.key}` },
      hint: 'Both must be PEM files, and the key must be the one of the certificate.',
      cause,
    });
  }
}

function contentOf(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new ToolkitError('FILE_UNREADABLE', 'The file cannot be read', {
      where: { file },
      hint: 'Check the path and its permissions.',
      cause,
    });
  }
}

/** On every answer: nothing of it is ever taken for something else, framed, or named to other sites. */
export const securityHeaders = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
} as const;

/** On the page: only its own files run, and it talks to this server only. */
export const pageHeaders = {
  ...securityHeaders,
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob:",
    "media-src 'self' blob:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'permissions-policy': 'camera=(self), microphone=(), geolocation=()',
  'cross-origin-opener-policy': 'same-origin',
} as const;
