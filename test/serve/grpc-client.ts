import { fileURLToPath } from 'node:url';
import {
  type CallOptions,
  Client,
  credentials,
  Metadata,
  type MethodDefinition,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { onTestFinished } from 'vitest';

type Messages = Readonly<Record<string, unknown>>;
type Definition = MethodDefinition<Messages, Messages>;

/** An answer, or the status of the refusal. */
export interface GrpcReply {
  readonly code: number;
  readonly details: string;
  readonly answer: Messages;
}

/** A client of one service of `proto/`, as any program would make it. */
export class GrpcClient {
  readonly #client: Client;
  readonly #methods: Readonly<Record<string, Definition>>;

  constructor(port: number, file = 'inference.proto', name = 'inference.GRPCInferenceService') {
    const path = fileURLToPath(new URL(`../../proto/${file}`, import.meta.url));
    const loaded = loadSync(path, {
      keepCase: true,
      longs: String,
      enums: String,
      defaults: true,
      oneofs: true,
    });
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the file defines a service under this name
    this.#methods = loaded[name] as unknown as Readonly<Record<string, Definition>>;
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
    });
    onTestFinished(() => this.#client.close());
  }

  async call(
    method: string,
    message: Messages,
    { headers = {}, ...options }: CallOptions & { headers?: Record<string, string> } = {},
  ): Promise<GrpcReply> {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
    const { path, requestSerialize, responseDeserialize } = this.#method(method);
    return new Promise((resolve) => {
      const done = (fault: ServiceError | null, answer: Messages = {}): void =>
        resolve({ code: fault?.code ?? 0, details: fault?.details ?? '', answer });
      this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        message,
        metadata,
        options,
        done,
      );
    });
  }

  /** Sends messages one after the other, and gives all that came back. */
  async stream(method: string, messages: readonly Messages[]): Promise<readonly Messages[]> {
    const { path, requestSerialize, responseDeserialize } = this.#method(method);
    const call = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    const answers: Messages[] = [];
    call.on('data', (answer: Messages) => answers.push(answer));
    for (const message of messages) call.write(message);
    call.end();
    await new Promise((resolve, reject) => {
      call.on('end', resolve);
      call.on('error', reject);
    });
    return answers;
  }

  #method(name: string): Definition {
    const method = this.#methods[name];
    if (!method) throw new Error(`no method ${name}`);
    return method;
  }
}
