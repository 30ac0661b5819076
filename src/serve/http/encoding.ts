import { promisify } from 'node:util';
import { deflate, gunzip, gzip, inflate } from 'node:zlib';
import { ToolkitError } from '../../errors.ts';
import { invalid } from '../request/check.ts';
import type { HttpReply, HttpRequest } from './http.ts';

const decoders = { gzip: promisify(gunzip), deflate: promisify(inflate) } as const;
const encoders = { gzip: promisify(gzip), deflate: promisify(deflate) } as const;
/** Quick rather than small: who asks by habit is often a neighbour. */
const level = 1;
type Encoding = keyof typeof decoders;

/**
 * The body of a request, decompressed where it says that it is compressed, and never beyond the limit of bodies.
 *
 * Throws REQUEST_INVALID, REQUEST_TOO_LARGE, REQUEST_UNSUPPORTED.
 */
export async function bodyOf(request: HttpRequest): Promise<Buffer> {
  const { body } = request;
  const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
  const encoding = request.headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (encoding === 'identity' || encoding === '') return bytes;
  if (!isEncoding(encoding)) {
    throw new ToolkitError(
      'REQUEST_UNSUPPORTED',
      `Content-Encoding '${encoding.slice(0, 40)}' is not known`,
      { hint: 'Use gzip or deflate, or none.' },
    );
  }
  const limit = request.server.initialConfig.bodyLimit ?? 0;
  try {
    return await decoders[encoding](bytes, { maxOutputLength: limit });
  } catch (fault) {
    const isTooLarge =
      fault instanceof Error && 'code' in fault && fault.code === 'ERR_BUFFER_TOO_LARGE';
    if (!isTooLarge) throw invalid(`the body is no ${encoding}, as its Content-Encoding says`);
    throw new ToolkitError(
      'REQUEST_TOO_LARGE',
      `The body is larger than ${limit} bytes when unpacked`,
      {
        hint: 'Send less at once.',
      },
    );
  }
}

/** Smaller answers than this are not worth compressing. */
const leastPacked = 16_384;

/** The body of an answer, compressed where the client asks for it. */
export async function packed(
  body: Buffer | string,
  request: HttpRequest,
  reply: HttpReply,
): Promise<Buffer | string> {
  const accepted = request.headers['accept-encoding'];
  if (accepted === undefined || body.length < leastPacked) return body;
  const encoding = (Array.isArray(accepted) ? accepted.join() : accepted)
    .split(',')
    .map((part) => part.split(';')[0]?.trim().toLowerCase() ?? '')
    .find(isEncoding);
  if (!encoding) return body;
  reply.header('content-encoding', encoding);
  return encoders[encoding](body, { level });
}

function isEncoding(text: string): text is Encoding {
  return Object.hasOwn(decoders, text);
}
