import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Requests of one connection that are worked at. A client may send many before the first is answered (pipelining), and
 * would otherwise fill the queue of a model all by itself; others have a connection a request.
 */
const mostOfOne = 16;

/** Requests of one connection that have come and are not answered, in their order. */
class Line {
  readonly #socket: Socket;
  /** What each waits for; `undefined` for those that are worked at. */
  readonly #open = new Map<ServerResponse, (() => void) | undefined>();
  #working = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    // Node reads on when a body is wanted, and when an answer is out. While some wait, nobody needs more. That the
    // client has left is then seen when it is written to.
    socket.on('resume', () => {
      if (this.#someWait()) socket.pause();
    });
    socket.once('close', () => this.#abandon());
  }

  get length(): number {
    return this.#open.size;
  }

  #someWait(): boolean {
    return this.#open.size > this.#working;
  }

  /** Calls `go` at once, or when it is this request's turn. */
  enter(reply: ServerResponse, go: () => void): void {
    reply.once('close', () => this.#leave(reply));
    this.#open.set(reply, go);
    if (!this.#next()) this.#socket.pause();
  }

  /** Starts the first that waits, if it may. */
  #next(): boolean {
    if (this.#working >= mostOfOne) return false;
    for (const [reply, go] of this.#open) {
      if (!go) continue;
      this.#open.set(reply, undefined);
      this.#working += 1;
      go();
      return true;
    }
    return false;
  }

  #leave(reply: ServerResponse): void {
    const didWait = this.#someWait();
    if (this.#open.get(reply) === undefined) this.#working -= 1;
    this.#open.delete(reply);
    if (this.#socket.destroyed) return;
    this.#next();
    if (didWait && !this.#someWait()) this.#socket.resume();
  }

  /** Node tells of the end only the answer that is being sent; those behind it are as much in vain. */
  #abandon(): void {
    for (const reply of this.#open.keys()) {
      reply.destroyed = true;
      reply.emit('close');
    }
  }
}

const lines = new WeakMap<Socket, Line>();

/** Lets a request pass when it is its turn on its connection. What has not passed when the connection ends never does. */
export function inTurn({ socket }: IncomingMessage, reply: ServerResponse, go: () => void): void {
  const line = lines.get(socket) ?? new Line(socket);
  lines.set(socket, line);
  line.enter(reply, go);
}

/** How many requests have come on a connection and are not answered. */
export function unansweredOf(socket: Socket): number {
  return lines.get(socket)?.length ?? 0;
}
