import { lookup } from 'node:dns/promises';
import { createServer, isIP, type Server, type Socket } from 'node:net';
import { ToolkitError } from '../../errors.ts';

/** Takes connections at every address of a name and hands them on; they can be ended here, whatever becomes of them. */
export class Listener {
  readonly #onConnection: (socket: Socket) => void;
  readonly #sockets = new Set<Socket>();
  #servers: readonly Server[] = [];

  constructor(onConnection: (socket: Socket) => void) {
    this.#onConnection = onConnection;
  }

  /** Listens; gives the port. Throws SERVER_ADDRESS. */
  async listen(host: string, port: number): Promise<number> {
    let bound = port;
    let absent: unknown;
    try {
      // The first address may choose the port; the others take the same.
      for (const address of await addressesOf(host)) {
        // A machine may know an address of a name, such as ::1 of localhost, without having it.
        bound = await this.#listenAt(address, bound).catch((fault: unknown) => {
          if (!isAbsent(fault)) throw fault;
          absent = fault;
          return bound;
        });
      }
      if (this.#servers.length === 0) throw absent;
      return bound;
    } catch (fault) {
      this.close();
      if (!(fault instanceof Error) || !('syscall' in fault)) throw fault;
      throw addressFault(`${host.includes(':') ? `[${host}]` : host}:${port}`, fault);
    }
  }

  /** Takes no more connections. Those that are there go on. */
  close(): void {
    for (const server of this.#servers) server.close();
  }

  /** Ends the connections that are there. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async #listenAt(host: string, port: number): Promise<number> {
    const server = createServer({ noDelay: true }, (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      this.#onConnection(socket);
    });
    await new Promise<void>((resolve, reject) => {
      // Once it listens, a failure to take one connection is no failure of the others.
      server.on('error', reject);
      server.listen({ host, port }, resolve);
    });
    this.#servers = [...this.#servers, server];
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : port;
  }
}

function isAbsent(fault: unknown): boolean {
  const code = fault instanceof Error && 'code' in fault ? fault.code : undefined;
  return code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT';
}

async function addressesOf(host: string): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  const found = await lookup(host, { all: true });
  return [...new Set(found.map(({ address }) => address))];
}

/** SERVER_ADDRESS: the address cannot be listened at. */
export function addressFault(address: string, fault: Error): ToolkitError {
  // Node's message says the address again.
  const reason = fault.message.replace(/^listen /, '').replace(` ${address}`, '');
  return new ToolkitError('SERVER_ADDRESS', `Cannot listen at ${address}: ${reason}`, {
    hint: 'Choose another port or address, or end the program that has this one.',
    cause: fault,
  });
}
