import { type ErrorCode, ToolkitError } from '../../errors.ts';

/** How a fault is told over the network. */
export interface FaultStatus {
  readonly http: number;
  /** Number of the gRPC status code. */
  readonly grpc: number;
}

/** gRPC status codes. Source: grpc/grpc, doc/statuscodes.md. */
export const grpcStatus = {
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

/** Codes that are the client's fault or that it can do something about; every other one is the server's. */
const statuses: { readonly [C in ErrorCode]?: FaultStatus } = {
  REQUEST_INVALID: { http: 400, grpc: grpcStatus.INVALID_ARGUMENT },
  IMAGE_UNREADABLE: { http: 400, grpc: grpcStatus.INVALID_ARGUMENT },
  MODEL_CONFIG_INVALID: { http: 400, grpc: grpcStatus.INVALID_ARGUMENT },
  KEY_REFUSED: { http: 401, grpc: grpcStatus.UNAUTHENTICATED },
  ORIGIN_REFUSED: { http: 403, grpc: grpcStatus.PERMISSION_DENIED },
  HOST_REFUSED: { http: 403, grpc: grpcStatus.PERMISSION_DENIED },
  CONTROL_REFUSED: { http: 403, grpc: grpcStatus.PERMISSION_DENIED },
  MODEL_UNKNOWN: { http: 404, grpc: grpcStatus.NOT_FOUND },
  REQUEST_TOO_LARGE: { http: 413, grpc: grpcStatus.RESOURCE_EXHAUSTED },
  // nginx' number for a client that has left: no one reads it but the log.
  REQUEST_CANCELLED: { http: 499, grpc: grpcStatus.CANCELLED },
  REQUEST_UNSUPPORTED: { http: 501, grpc: grpcStatus.UNIMPLEMENTED },
  MODEL_NOT_READY: { http: 503, grpc: grpcStatus.UNAVAILABLE },
  SERVER_BUSY: { http: 503, grpc: grpcStatus.UNAVAILABLE },
  REQUEST_TIMEOUT: { http: 504, grpc: grpcStatus.DEADLINE_EXCEEDED },
};

const ours: FaultStatus = { http: 500, grpc: grpcStatus.INTERNAL };

/** What onnxruntime says when the numbers of a request are at fault. */
const requestAtFault =
  /Invalid rank|Got invalid dimensions|Unexpected input data type|out of data bounds|must be within|index .* out of (?:bounds|range)/i;

/** The statuses of a fault. */
export function statusOf(fault: unknown): FaultStatus {
  if (!(fault instanceof ToolkitError)) return ours;
  if (fault.code === 'RUNTIME_FAILED' && requestAtFault.test(fault.message)) {
    return { http: 400, grpc: grpcStatus.INVALID_ARGUMENT };
  }
  return statuses[fault.code] ?? ours;
}

/** Seconds after which a refused request may be sent again; `undefined` where that would not help. */
export function retryAfterSeconds(fault: unknown): number | undefined {
  if (!(fault instanceof ToolkitError)) return undefined;
  const isPassing = ['SERVER_BUSY', 'MODEL_NOT_READY'].includes(fault.code);
  return isPassing ? 1 : undefined;
}

/** Words of a client with their control characters escaped, so that they stay on one line. */
export function shown(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, (letter) => JSON.stringify(letter).slice(1, -1));
}

/** A fault in one line for a client: what and what to do, never a path of this machine. */
export function errorText(fault: unknown): string {
  if (!(fault instanceof ToolkitError)) return 'The server failed; its log says how';
  const [what = ''] = fault.message.split('\n');
  return `${what.replace(/\.$/, '')}. ${fault.hint}`
    .replaceAll(/\s*\n\s*/g, ' ')
    .replaceAll(/(?<!\S)\/\S*\/(?=node_modules\/)/g, '')
    .trim();
}
