import { type ErrorCode, errorCodes, ToolkitError } from '../errors.ts';

/** What is known of the exchange that failed. */
export interface Exchange {
  readonly url: string;
  /** HTTP status of the answer; absent when there was none. */
  readonly status?: number | undefined;
  /** The server's name for the request, as in its log. */
  readonly requestId?: string | undefined;
  /** The server's own code for what went wrong, where it is graft. */
  readonly code?: string | undefined;
  /** After which the server asks to try again. */
  readonly retryAfterMs?: number | undefined;
}

/**
 * A request that brought no result, with what the server said.
 *
 * Codes: the server's own where it is graft (MODEL_UNKNOWN, MODEL_NOT_READY, IMAGE_UNREADABLE, …); of other servers what
 * the status says (SERVER_BUSY, REQUEST_TIMEOUT, KEY_REFUSED, REQUEST_INVALID, SERVER_FAILED); and SERVER_UNREACHABLE,
 * ANSWER_INVALID. Worth another try are SERVER_UNREACHABLE, REQUEST_TIMEOUT, SERVER_BUSY and MODEL_NOT_READY.
 */
export class ServerError extends ToolkitError {
  readonly exchange: Exchange;

  constructor(
    code: ErrorCode,
    what: string,
    options: { readonly exchange: Exchange; readonly hint: string; readonly cause?: unknown },
  ) {
    const { exchange, hint, cause } = options;
    super(code, what, { where: { file: exchange.url }, hint, cause });
    this.exchange = exchange;
  }
}

/** The error for an answer that is no success. */
export function refusal(exchange: Exchange, text: string): ServerError {
  const meaning = meaningOf(exchange.status ?? 500);
  const said = errorCodes.find((known) => known === exchange.code);
  // The text of the server says what to do about its own codes.
  const isOther = said !== undefined && said !== meaning.code;
  const { code, hint } = isOther ? { code: said, hint: `The server calls it ${said}.` } : meaning;
  const what = `The server answered ${exchange.status}: ${text || 'no reason given'}`;
  return new ServerError(code, what, { exchange, hint });
}

function meaningOf(status: number): { readonly code: ErrorCode; readonly hint: string } {
  if (status === 429 || status === 503) {
    return { code: 'SERVER_BUSY', hint: 'Try again later; "retryAfterMs" says when.' };
  }
  if (status === 408 || status === 504) {
    return { code: 'REQUEST_TIMEOUT', hint: 'Allow more time, or send fewer requests at once.' };
  }
  if (status === 401 || status === 403) {
    return { code: 'KEY_REFUSED', hint: 'Pass the option "apiKey", with a key of the server.' };
  }
  if (status < 500) {
    return {
      code: 'REQUEST_INVALID',
      hint: 'Correct the request; modelMetadata() says what fits.',
    };
  }
  return { code: 'SERVER_FAILED', hint: 'The log of the server says more, under the request id.' };
}

/** The error for an answer that is not what the protocol says. */
export function unintelligible(exchange: Exchange, what: string, cause?: unknown): ServerError {
  return new ServerError('ANSWER_INVALID', what, {
    exchange,
    hint: 'Is this the address of a server of the Open Inference Protocol v2?',
    cause,
  });
}
