import { type ErrorCode, ToolkitError } from '../../errors.ts';

/** What grpc-js says of itself, by how it begins. Source: grpc-js 1.14, server-interceptors.ts and stream-decoder.ts. */
const said: readonly (readonly [RegExp, ErrorCode])[] = [
  [/^Received message compressed with unsupported encoding/, 'REQUEST_UNSUPPORTED'],
  [/^Received message (?:larger|that decompresses)/, 'REQUEST_TOO_LARGE'],
  [/^(?:Error deserializing request|Failed to decompress|Invalid grpc-timeout)/, 'REQUEST_INVALID'],
  [/^(?:Error serializing response|Internal server error)/, 'SERVER_FAILED'],
];

/** The fault behind a status that grpc-js gave by itself; `undefined` for those that are told of elsewhere. */
function refusedByLibrary(status: {
  readonly code: number;
  readonly details: string;
}): ToolkitError | undefined {
  const { code, details } = status;
  const found = code === 0 ? undefined : said.find(([begin]) => begin.test(details));
  return found && new ToolkitError(found[1], details, { hint: 'See the protocol.' });
}

type Teller = (fault: ToolkitError, status: number) => void;

/** Who is told, by the port that a call came to. */
const tellers = new Map<number, Teller>();

/** Says who is told of what grpc-js refuses at a port; `undefined`: nobody any more. */
export function onLibraryRefusal(port: number, teller: Teller | undefined): void {
  if (teller) tellers.set(port, teller);
  else tellers.delete(port);
}

/** What a call of grpc-js has. */
interface StatusCall<Status> {
  sendStatus(status: Status): void;
  getConnectionInfo(): { readonly localPort?: number | undefined };
}

const watched = new WeakSet<object>();

/**
 * Looks at the statuses of all calls of a class from now on: grpc-js' own refusals pass no interceptor.
 *
 * The class is changed, once: a method of each call's own costs a tenth of what the call costs. The path of a call and
 * its headers are not to be had here.
 */
export function watchStatuses<Status extends { readonly code: number; readonly details: string }>(
  call: StatusCall<Status>,
): void {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the prototype of a call has its methods
  const methods = Object.getPrototypeOf(call) as StatusCall<Status>;
  if (watched.has(methods)) return;
  watched.add(methods);
  // oxlint-disable-next-line typescript/unbound-method -- it is called with its call
  const { sendStatus } = methods;
  methods.sendStatus = function told(this: StatusCall<Status>, status: Status): void {
    const fault = refusedByLibrary(status);
    if (fault) tellers.get(this.getConnectionInfo().localPort ?? 0)?.(fault, status.code);
    sendStatus.call(this, status);
  };
}
