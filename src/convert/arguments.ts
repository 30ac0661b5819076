import { InputPlace, type LayerCall } from '../keras/model.ts';
import type { KerasTensor } from './layout.ts';

/** The arguments of one call of a layer, with the tensors that they stand for. */
export class Arguments {
  readonly #call: Pick<LayerCall, 'args' | 'kwargs'>;
  readonly #tensors: readonly KerasTensor[];

  constructor(call: Pick<LayerCall, 'args' | 'kwargs'>, tensors: readonly KerasTensor[]) {
    this.#call = call;
    this.#tensors = tensors;
  }

  /** Every tensor given by position, at any depth; where none is, those given by name except masks. */
  get positional(): readonly KerasTensor[] {
    if (!this.#call.args) return this.#tensors;
    const given = this.#tensorsIn(this.#call.args);
    if (given.length > 0) return given;
    const { mask: _, ...named } = this.#call.kwargs;
    return this.#tensorsIn(Object.values(named));
  }

  /** Every tensor of the call, in the order of the file; dictionaries by their keys, as Keras flattens them. */
  get all(): readonly KerasTensor[] {
    return this.#tensors;
  }

  /** The arguments by name, tensors as `InputPlace`s. */
  get kwargs(): LayerCall['kwargs'] {
    return this.#call.kwargs;
  }

  /** An argument by its position or its name, tensors as `InputPlace`s; `undefined` where it is not given. */
  at(position: number, name: string): unknown {
    return this.#call.kwargs[name] ?? this.args[position] ?? undefined;
  }

  /** A tensor by position or name. */
  tensor(position: number, name: string): KerasTensor | undefined {
    return this.tensors(position, name)[0];
  }

  /** The tensors in an argument that is a tensor or a list of them. */
  tensors(position: number, name: string): readonly KerasTensor[] {
    return this.#tensorsIn(this.at(position, name));
  }

  /** The tensor that a part of an argument stands for; `undefined` where it is a plain value. */
  tensorOf(part: unknown): KerasTensor | undefined {
    return part instanceof InputPlace ? this.#tensors[part.index] : undefined;
  }

  /** The arguments by position, tensors as `InputPlace`s. */
  get args(): readonly unknown[] {
    return this.#call.args ?? this.#tensors.map((_, index) => new InputPlace(index));
  }

  #tensorsIn(value: unknown): readonly KerasTensor[] {
    if (value instanceof InputPlace) {
      const tensor = this.#tensors[value.index];
      return tensor ? [tensor] : [];
    }
    const parts: readonly unknown[] = Array.isArray(value) ? value : [];
    return parts.flatMap((part) => this.#tensorsIn(part));
  }
}
